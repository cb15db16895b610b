import { cacheName } from '../fluid/name.ts'
import { chooseRuntime, type RuntimeName } from '../fluid/runtimes.ts'
import type { Source } from '../fluid/source.ts'
import type { KserveConfig } from '../kserve/config.ts'
import { type Credentials, resolveCredentials } from '../kserve/credentials.ts'
import { type ModelDirectory, parseModelUri } from '../kserve/uri.ts'
import type { Policy } from '../policy/policy.ts'
import type { PolicySource } from '../policy/schema.ts'
import { type KubeObject, objectAt } from '../values/object.ts'
import type { Facts } from './facts.ts'
import type { RefusalReason } from './reasons.ts'

export interface ResolvedSource {
  ok: true
  source: Source
  runtime: RuntimeName
  /** The name of the cache, new or not, that serves this source. */
  name: string
}

export type SourceResult = ResolvedSource | { ok: false; reason: RefusalReason; message: string }

/** Turns a model URI of a service into a source that Fluid can cache, or says why it is none. */
export function resolveSource(service: KubeObject, uri: string, policy: Policy, facts: Facts): SourceResult {
  const parsed = parseModelUri(uri)
  if (parsed.kind === 'other') return { ok: false, reason: parsed.reason, message: parsed.message }
  const rule = sourceRule(policy, `${parsed.directory.uri}/`)
  if (rule === undefined) return unmatched(policy, parsed.directory)
  const resolved = resolveCredentials({
    scheme: parsed.directory.scheme,
    annotations: podAnnotations(service),
    secretName: rule.credentials.secretName,
    serviceAccount: facts.serviceAccount,
    secrets: facts.secrets,
    config: facts.kserve,
  })
  if (!resolved.ok) return resolved
  const source = toSource(parsed.directory, resolved.credentials, rule.options)
  if (source.scheme === 'oss' && !hasOssEndpoint(source)) return ossEndpointMissing()
  const chosen = chooseRuntime(source, rule.runtime, facts.installed)
  if (!chosen.ok) return chosen
  return nameCache(source, chosen.runtime, facts)
}

type SourceRule = Pick<PolicySource, 'runtime' | 'options' | 'credentials'>

const everySource: SourceRule = { runtime: 'Auto', options: {}, credentials: {} }

/** The first rule whose prefix the URI has; a policy without rules takes every source. */
function sourceRule({ spec }: Policy, uri: string): SourceRule | undefined {
  if (spec.sources.length === 0) return everySource
  return spec.sources.find(({ match }) => match.some((prefix) => uri.startsWith(prefix)))
}

function unmatched(policy: Policy, { uri }: ModelDirectory): SourceResult {
  const prefixes = policy.spec.sources.flatMap(({ match }) => match).join(', ')
  return {
    ok: false,
    reason: 'UnsupportedScheme',
    message: `${uri} matches no source of AccelerationPolicy ${policy.name} (${prefixes})`,
  }
}

/** The Secret that a service names for its credentials, if it does. */
export function namedSecret(service: KubeObject, config: KserveConfig): string | undefined {
  return podAnnotations(service)[config.storageSecretAnnotation] || undefined
}

/** KServe looks for the Secret's name in the pod's annotations: the service's, then the predictor's. */
function podAnnotations(service: KubeObject): { [key: string]: string } {
  const predictor = Object.entries(objectAt(service, 'spec', 'predictor', 'annotations'))
  const texts = predictor.filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return { ...service.metadata.annotations, ...Object.fromEntries(texts) }
}

function toSource(
  { uri, scheme }: ModelDirectory,
  credentials: Credentials,
  options: Source['options'],
): Source {
  const { endpoint, ...reference } = credentials
  return { uri, scheme, credentials: reference, endpoint, options }
}

function hasOssEndpoint({ endpoint, options }: Source): boolean {
  return endpoint.url !== undefined || options['fs.oss.endpoint'] !== undefined
}

function ossEndpointMissing(): SourceResult {
  return {
    ok: false,
    reason: 'CredentialsMissing',
    message:
      'oss:// needs its endpoint: set fs.oss.endpoint in the policy’s sources[].options, or as a key of the Secret',
  }
}

function nameCache(source: Source, runtime: RuntimeName, facts: Facts): SourceResult {
  const name = cacheName(facts.namespace, source)
  if (!facts.foreignClaims.has(name)) return { ok: true, source, runtime, name }
  return {
    ok: false,
    reason: 'NameTaken',
    message: `PersistentVolumeClaim ${name} exists and is not Fluid's: delete or rename it`,
  }
}
