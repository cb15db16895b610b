import type { KubeClient } from '../kube/client.ts'
import { retryOnConflict } from '../kube/conflict.ts'
import { writeOwnSecret } from '../kube/own-secret.ts'
import { resources } from '../kube/resources.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Clock, pause } from '../values/clock.ts'
import { getIn, type KubeObject } from '../values/object.ts'
import {
  ageMs,
  type Bundle,
  caBundleAfter,
  createBundle,
  decideRenewal,
  expiriesOf,
  fromSecretData,
  renewBundle,
  signerOf,
  toSecretData,
} from './bundle.ts'
import {
  type CertificateSource,
  type CertificateState,
  configurationMissing,
  publishBundle,
  publishedBundle,
  verifyAgainst,
} from './configuration.ts'
import type { KeyPair } from './issue.ts'
import { createServing, isDueForRenewal, type ServingNames } from './serving.ts'
import { isSignedBy, verifyPair } from './verify.ts'

export interface CertificatesOptions {
  client: KubeClient
  clock: Clock
  logger: Logger
  metrics: Metrics
  /** Warmgate's Service and namespace, and every other name that the webhook's URL may have. */
  names: ServingNames
  /** The MutatingWebhookConfiguration in which to maintain the caBundle. */
  configuration: string
  /** Takes each new serving certificate; it has been verified. */
  onPair: (pair: KeyPair) => void
  /** How often to check, by the wall clock: timers are late after a machine slept. */
  tickMs?: number
}

const secretName = 'warmgate-certificates'
const defaultTickMs = 60_000
const longestTickMs = 3_600_000
// In checks. If the Secret was lost, all authorities are new: by the second check, every replica and every API
// server knows them. Much later, no replica serves a certificate of the authorities before.
const checksToSettle = 2
const checksToRetire = 10
const retryMs = 5_000

/**
 * Keeps this replica trusted by the API server. Each replica runs it: the authorities are shared, in a
 * Secret; the serving certificate belongs to the replica, and stays in memory. The first replica creates or
 * renews what is shared; after a conflict, a replica reads what another one wrote.
 */
export class Certificates implements CertificateSource {
  readonly #options: CertificatesOptions
  #leaf: KeyPair | undefined
  #state: CertificateState = { kind: 'waiting', reason: 'NotYetMade', message: 'no certificate yet' }

  constructor(options: CertificatesOptions) {
    this.#options = options
  }

  get state(): CertificateState {
    return this.#state
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      const reached = await this.check().catch((error: unknown) => this.#failed(error))
      await pause(clock, reached === undefined ? retryMs : this.#tickMs, signal)
    }
  }

  get #tickMs(): number {
    return Math.min(this.#options.tickMs ?? defaultTickMs, longestTickMs)
  }

  /** One check. Rejects with the KubeError of a call that failed. */
  async check(): Promise<CertificateState> {
    this.#state = await retryOnConflict(() => this.#reconcile())
    return this.#state
  }

  async #reconcile(): Promise<CertificateState> {
    const { client, configuration: name } = this.#options
    // Read the configuration before the Secret: if another replica writes a newer caBundle after this read,
    // the resourceVersion changes, so that this replica cannot overwrite it with an older bundle.
    const found = await client.get(resources.mutatingWebhookConfiguration, { name })
    const bundle = await this.#sharedBundle()
    // Before the serving certificate: only an authority that the API server trusts may sign it.
    const stored = found && (await publishBundle(this.#options, found, this.#caBundle(bundle, found)))
    const leaf = await this.#ownLeaf(bundle, stored)
    return stored === undefined
      ? configurationMissing(name)
      : verifyAgainst(stored, leaf, this.#options.clock.now())
  }

  async #sharedBundle(): Promise<Bundle> {
    const { client, clock, logger, metrics, names } = this.#options
    const key = { namespace: names.namespace, name: secretName }
    const secret = await client.get(resources.secret, key)
    const read = fromSecretData(getIn(secret, 'data'))
    if (read.kind === 'invalid')
      logger.error(
        { code: 'WG030', reason: read.reason },
        `Secret ${secretName}: ${read.message}; creating it again`,
      )
    const bundle = read.kind === 'valid' ? await this.#renewed(read.bundle) : await createBundle(clock.now())
    if (read.kind !== 'valid' || bundle !== read.bundle)
      await writeOwnSecret(client, key, { present: secret, data: toSecretData(bundle) })
    for (const { slot, expiresMs } of expiriesOf(bundle))
      metrics.certificateExpiry.set({ kind: slot }, expiresMs / 1_000)
    return bundle
  }

  async #renewed(bundle: Bundle): Promise<Bundle> {
    const nowMs = this.#options.clock.now()
    const renewal = decideRenewal(bundle, nowMs)
    if (renewal.kind === 'keep') return bundle
    this.#options.logger.info({ reason: renewal.message }, 'renewing a certificate authority')
    return renewBundle(bundle, renewal.slots, nowMs)
  }

  #caBundle(bundle: Bundle, configuration: KubeObject): string {
    const timing = { nowMs: this.#options.clock.now(), retireMs: checksToRetire * this.#tickMs }
    return caBundleAfter(publishedBundle(configuration), bundle, timing)
  }

  async #ownLeaf(bundle: Bundle, configuration: KubeObject | undefined): Promise<KeyPair> {
    const { clock, metrics, names, onPair } = this.#options
    const nowMs = clock.now()
    const authority = signerOf(bundle, nowMs)
    const leaf = this.#leaf
    if (leaf && !isDueForRenewal(leaf.cert, nowMs)) {
      if (isSignedBy(leaf.cert, authority.cert)) return leaf
      // An API server may not have seen the new authority yet.
      const isSettled = ageMs(authority, nowMs) >= checksToSettle * this.#tickMs
      if (!isSettled && configuration && verifyAgainst(configuration, leaf, nowMs).kind === 'ready')
        return leaf
    }
    const pair = await createServing({ authority, names, nowMs })
    const verdict = verifyPair(pair)
    if (verdict.kind === 'invalid')
      throw new Error(`a new serving certificate is not valid: ${verdict.message}`)
    metrics.certificateExpiry.set({ kind: 'leaf' }, verdict.expiresMs / 1_000)
    this.#leaf = pair
    onPair(pair)
    return pair
  }

  /** A ready replica stays ready while its certificate is valid: admission does not need the API server. */
  #failed(error: unknown): undefined {
    const { clock, logger } = this.#options
    logger.error({ code: 'WG031', err: error }, 'cannot check the certificates; trying again')
    if (this.#state.kind === 'ready' && clock.now() < this.#state.expiresMs) return
    this.#state = { kind: 'waiting', reason: 'Unreachable', message: (error as Error).message }
  }
}
