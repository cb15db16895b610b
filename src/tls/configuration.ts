import type { KubeClient } from '../kube/client.ts'
import { resources } from '../kube/resources.ts'
import type { Logger } from '../telemetry/logger.ts'
import { getIn, type Json, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import type { KeyPair } from './issue.ts'
import { type CertificateProblem, verifyServing } from './verify.ts'

export type CertificateState =
  | { kind: 'ready'; expiresMs: number }
  | {
      kind: 'waiting'
      reason: CertificateProblem | 'NotYetMade' | 'ConfigurationMissing' | 'Unreachable'
      message: string
    }

/** The source of a replica's certificates, which keeps the API server's trust in them. */
export interface CertificateSource {
  /** Ready: this replica's certificate verifies against what is stored in the webhook configuration. */
  readonly state: CertificateState
  /** Keeps the certificates valid until the signal aborts. Failures are logged and retried. */
  run(signal: AbortSignal): Promise<void>
}

/** Whether the API server accepts this pair, for each webhook of the configuration. */
export function verifyAgainst(configuration: KubeObject, pair: KeyPair, nowMs: number): CertificateState {
  let expiresMs = Number.POSITIVE_INFINITY
  for (const webhook of listAt(configuration, 'webhooks')) {
    const verdict = verifyServing(pair, { caBundle: caBundleOf(webhook), names: [hostOf(webhook)], nowMs })
    if (verdict.kind === 'invalid') return { ...verdict, kind: 'waiting' }
    expiresMs = Math.min(expiresMs, verdict.expiresMs)
  }
  return { kind: 'ready', expiresMs }
}

/** What the API server trusts (PEM): all webhooks have the same bundle. */
export function publishedBundle(configuration: KubeObject): string {
  return caBundleOf(listAt(configuration, 'webhooks')[0])
}

/** Writes `bundle` (PEM) into every webhook, unless it is there. Resolves with the stored configuration. */
export async function publishBundle(
  { client, logger }: { client: KubeClient; logger: Logger },
  configuration: KubeObject,
  bundle: string,
): Promise<KubeObject> {
  const caBundle = Buffer.from(bundle).toString('base64')
  const webhooks = listAt(configuration, 'webhooks')
  if (webhooks.every((webhook) => getIn(webhook, 'clientConfig', 'caBundle') === caBundle))
    return configuration
  const trusting = webhooks.map((webhook) => ({
    ...objectAt(webhook),
    clientConfig: { ...objectAt(webhook, 'clientConfig'), caBundle },
  }))
  logger.info({ configuration: configuration.metadata.name }, 'writing caBundle')
  return client.replace(resources.mutatingWebhookConfiguration, { ...configuration, webhooks: trusting })
}

export function configurationMissing(name: string): CertificateState {
  return { kind: 'waiting', reason: 'ConfigurationMissing', message: `no webhook configuration ${name}` }
}

function caBundleOf(webhook: Json | undefined): string {
  return Buffer.from(stringAt(webhook, 'clientConfig', 'caBundle') ?? '', 'base64').toString()
}

/** The name under which the API server reaches a webhook. */
function hostOf(webhook: Json): string {
  const url = stringAt(webhook, 'clientConfig', 'url')
  if (url !== undefined && URL.canParse(url)) return new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')
  const { name, namespace } = objectAt(webhook, 'clientConfig', 'service')
  return `${name}.${namespace}.svc`
}
