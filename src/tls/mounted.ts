import { open, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { KubeClient } from '../kube/client.ts'
import { retryOnConflict } from '../kube/conflict.ts'
import { resources } from '../kube/resources.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Clock, pause } from '../values/clock.ts'
import type { KubeObject } from '../values/object.ts'
import {
  type CertificateSource,
  type CertificateState,
  configurationMissing,
  publishBundle,
  verifyAgainst,
} from './configuration.ts'
import type { KeyPair } from './issue.ts'
import { verifyPair } from './verify.ts'

export interface MountedCertificatesOptions {
  client: KubeClient
  clock: Clock
  logger: Logger
  metrics: Metrics
  /** A mounted Secret of type kubernetes.io/tls: `tls.crt`, `tls.key`, and maybe `ca.crt`. */
  folder: string
  /** The MutatingWebhookConfiguration that the certificate is for. */
  configuration: string
  /** Takes each new serving certificate; key and certificate belong together. */
  onPair: (pair: KeyPair) => void
  /** How often the files are read: the kubelet updates them within a minute or two. */
  tickMs?: number
}

interface Mounted extends KeyPair {
  /** The authorities that the API server is to trust, if the Secret has them. */
  ca: string | undefined
}

// cert-manager's cainjector writes the caBundle of a configuration with this annotation's prefix.
const injected = 'cert-manager.io/inject-'
// A chain of certificates takes a few kilobytes.
const mostBytes = 1_048_576

/**
 * Serves a certificate that others renew, cert-manager or the user, from a mounted Secret. A new pair is served once
 * the API server trusts it. Until then, and while the files are of no use, the pair before stays.
 */
export class MountedCertificates implements CertificateSource {
  readonly #options: MountedCertificatesOptions
  #served: KeyPair | undefined
  #state: CertificateState = { kind: 'waiting', reason: 'NotYetMade', message: 'no certificate yet' }
  #logged = ''

  constructor(options: MountedCertificatesOptions) {
    this.#options = options
  }

  get state(): CertificateState {
    return this.#state
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, tickMs = 10_000 } = this.#options
    while (!signal.aborted) {
      await this.check().catch((error: Error) => this.#failed(error))
      // Until it is ready, look often: a replica starts as soon as the caBundle is written.
      await pause(clock, this.#state.kind === 'ready' ? tickMs : 1_000, signal)
    }
  }

  /** One check. Rejects with the error of a file or a call. */
  async check(): Promise<CertificateState> {
    const { client, clock, configuration: name } = this.#options
    const mounted = await readMounted(this.#options.folder)
    const stored = await retryOnConflict(async () => {
      const found = await client.get(resources.mutatingWebhookConfiguration, { name })
      return found && (await this.#publish(found, mounted))
    })
    if (stored === undefined) {
      this.#serveFirst(mounted)
      this.#state = configurationMissing(name)
      return this.#state
    }
    const verified = verifyAgainst(stored, mounted, clock.now())
    if (verified.kind === 'ready') {
      this.#serve(mounted)
      this.#state = verified
      this.#logged = ''
      return verified
    }
    this.#log(verified.reason, verified.message)
    // Without a pair every handshake fails: the API server may trust this one before the next check.
    this.#serveFirst(mounted)
    this.#state = this.#served === undefined ? verified : verifyAgainst(stored, this.#served, clock.now())
    return this.#state
  }

  /** The user's own bundle; cert-manager writes its own. */
  async #publish(found: KubeObject, { ca, ...pair }: Mounted): Promise<KubeObject> {
    const isInjected = Object.keys(found.metadata.annotations ?? {}).some((key) => key.startsWith(injected))
    // A pair that is of no use may have come with a bundle that is of no use.
    if (ca === undefined || isInjected || verifyPair(pair).kind === 'invalid') return found
    return publishBundle(this.#options, found, ca)
  }

  #serveFirst(pair: KeyPair): void {
    if (this.#served === undefined && verifyPair(pair).kind === 'valid') this.#serve(pair)
  }

  #serve({ key, cert }: KeyPair): void {
    const { logger, metrics, onPair } = this.#options
    if (this.#served?.key === key && this.#served.cert === cert) return
    const verdict = verifyPair({ key, cert })
    if (verdict.kind === 'invalid') return
    this.#served = { key, cert }
    onPair(this.#served)
    metrics.certificateExpiry.set({ kind: 'leaf' }, verdict.expiresMs / 1_000)
    logger.info({ expires: new Date(verdict.expiresMs) }, 'serving the mounted certificate')
  }

  /** A ready replica stays ready while its certificate is valid: admission does not need the API server. */
  #failed(error: Error): void {
    this.#log('Unreachable', error.message)
    if (this.#state.kind === 'ready' && this.#options.clock.now() < this.#state.expiresMs) return
    this.#state = { kind: 'waiting', reason: 'Unreachable', message: error.message }
  }

  /** Once for each cause, since the files are read often. */
  #log(reason: string, message: string): void {
    const line = `${reason}: ${message}`
    if (line === this.#logged) return
    this.#logged = line
    this.#options.logger.error({ code: 'WG035', reason }, `the mounted certificate is not served: ${message}`)
  }
}

/** Reads all files from one generation of the Secret: the kubelet swaps the link `..data` to a new folder at once. */
async function readMounted(folder: string): Promise<Mounted> {
  const generation = await realpath(join(folder, '..data')).catch(() => folder)
  const [key, cert] = await Promise.all([
    readBounded(join(generation, 'tls.key')),
    readBounded(join(generation, 'tls.crt')),
  ])
  const ca = await readBounded(join(generation, 'ca.crt')).catch(() => undefined)
  return { key, cert, ca: ca?.includes('-----BEGIN CERTIFICATE-----') ? ca : undefined }
}

async function readBounded(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    if (size > mostBytes) throw new Error(`${path} has more than 1 MiB`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}
