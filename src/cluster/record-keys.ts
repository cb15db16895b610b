import {
  createHmac,
  createSecretKey,
  type Hmac,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import type { KubeClient } from '../kube/client.ts'
import { retryOnConflict } from '../kube/conflict.ts'
import { writeOwnSecret } from '../kube/own-secret.ts'
import { resources } from '../kube/resources.ts'
import type { RecordSigner } from '../plan/service/record.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type Clock, pause } from '../values/clock.ts'
import { Memory } from '../values/memory.ts'
import { type KubeObject, stringAt, stringMapAt } from '../values/object.ts'

export interface RecordKeysOptions {
  client: KubeClient
  clock: Clock
  logger: Logger
  namespace: string
  /** Called after the keys have changed: other records may be proven now. */
  onChange?: () => void
}

export const recordKeysSecret = 'warmgate-record-keys'
const keyBytes = 32
const refreshMs = 30_000
const retryMs = 2_000
// Hundreds of records of one location.
const provenMemory = { totalBytes: 2 ** 20, valueBytes: 16 * 2 ** 10 }

/**
 * The keys with which admission signs its records, in a Secret that the replicas share: `current` signs, `previous` is
 * still accepted. The first replica creates the key. To rotate, move `current` to `previous`: a new one is created.
 */
export class RecordKeys implements RecordSigner {
  readonly #options: RecordKeysOptions
  /** The first signs. */
  #keys: KeyObject[] = []
  /** Statements by valid signature: KServe copies a record to each pod, and updates a service many times. */
  #proven = new Memory<string>(provenMemory)
  /** Rises with each change of the keys. */
  version = 0

  constructor(options: RecordKeysOptions) {
    this.#options = options
  }

  /** Why nothing can be signed yet; undefined once it can. */
  get missing(): string | undefined {
    return this.#keys.length === 0 ? `the keys in Secret ${recordKeysSecret}` : undefined
  }

  sign(statement: string): string {
    const [key] = this.#keys
    if (key === undefined) throw new Error(`not read yet: ${this.missing}`)
    const signature = signatureOf(key, statement).digest('base64url')
    this.#proven.set(signature, statement, statement)
    return signature
  }

  verify(statement: string, signature: string): boolean {
    if (this.#proven.get(signature) === statement) return true
    const bytes = Buffer.from(signature, 'base64url')
    const isValid = this.#keys.some((key) => {
      const own = signatureOf(key, statement).digest()
      return own.length === bytes.length && timingSafeEqual(own, bytes)
    })
    if (isValid) this.#proven.set(signature, statement, statement)
    return isValid
  }

  /** Reads the Secret repeatedly until the signal aborts. Failed calls are logged and retried. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options
    while (!signal.aborted) {
      const isRead = await this.refresh().then(
        () => true,
        (error: unknown) => {
          logger.error({ code: 'WG032', err: error }, 'cannot read the keys of records; trying again')
          return false
        },
      )
      await pause(clock, isRead ? refreshMs : retryMs, signal)
    }
  }

  /** Reads the keys, and creates one if there is none. Rejects with the KubeError of a call that failed. */
  async refresh(): Promise<void> {
    const read = await retryOnConflict(() => this.#readOrMake())
    // With a KeyObject a signature takes a seventh of the time that it takes with bytes.
    const keys = read.map((key) => createSecretKey(key))
    if (keys.length === this.#keys.length && keys.every((key, index) => this.#keys[index]?.equals(key)))
      return
    this.#keys = keys
    this.#proven = new Memory(provenMemory)
    this.version += 1
    this.#options.onChange?.()
  }

  async #readOrMake(): Promise<Buffer[]> {
    const { client, logger, namespace } = this.#options
    const key = { namespace, name: recordKeysSecret }
    const secret = await client.get(resources.secret, key)
    const [current, previous] = [keyIn(secret, 'current'), keyIn(secret, 'previous')]
    if (current !== undefined) return previous === undefined ? [current] : [current, previous]
    const fresh = randomBytes(keyBytes)
    const data = { ...stringMapAt(secret, 'data'), current: fresh.toString('base64') }
    await writeOwnSecret(client, key, { present: secret, data })
    logger.info({ secret: recordKeysSecret }, 'created a key for records')
    return previous === undefined ? [fresh] : [fresh, previous]
  }
}

function signatureOf(key: KeyObject, statement: string): Hmac {
  return createHmac('sha256', key).update(statement)
}

/** A key that is too short counts as missing. */
function keyIn(secret: KubeObject | undefined, field: string): Buffer | undefined {
  const key = Buffer.from(stringAt(secret, 'data', field) ?? '', 'base64')
  return key.length >= keyBytes ? key : undefined
}
