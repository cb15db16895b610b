import type { Logger } from '../telemetry/logger.ts'
import { type Clock, pause } from '../values/clock.ts'
import { type KubeObject, objectAt, stringAt } from '../values/object.ts'
import type { KubeClient } from './client.ts'
import { hasStatus } from './errors.ts'
import { resources } from './resources.ts'

export interface LeaseOptions {
  client: KubeClient
  clock: Clock
  logger: Logger
  namespace: string
  name: string
  /** The identity of this process, e.g. the pod's name. */
  identity: string
  durationMs?: number
  /** A leader that could not renew for this long steps down, before the lease expires for the others. */
  renewDeadlineMs?: number
  retryMs?: number
}

/** Taken: another process holds it. Unknown: the server did not answer in time. */
type LeaseState = 'held' | 'taken' | 'unknown'

/**
 * Leader election on a Lease, as in client-go: a process that sees a lease unchanged for its whole duration, by its
 * own clock and not by the holder's, may acquire it. Updates carry the resource version, so that only one wins.
 */
export class LeaderElector {
  readonly #options: Required<LeaseOptions>
  #seen: { version: string; atMs: number } | undefined

  constructor(options: LeaseOptions) {
    this.#options = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000, ...options }
  }

  /**
   * Runs `lead` whenever this process is the leader, until the signal aborts. Its own signal aborts when
   * leadership is lost; the lease is given up only after `lead` has ended.
   */
  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, retryMs, renewDeadlineMs, logger, identity } = this.#options
    while (!signal.aborted) {
      const askedMs = clock.now()
      if ((await this.#tryWithin(renewDeadlineMs)) === 'held') {
        if (signal.aborted) return await this.#release()
        logger.info({ identity }, 'leading')
        await this.#leadUntilLost(lead, { signal, heldMs: askedMs })
        logger.info({ identity }, 'lost the lease')
      }
      await pause(clock, retryMs, signal)
    }
  }

  async #leadUntilLost(
    lead: (signal: AbortSignal) => Promise<void>,
    { signal, heldMs }: { signal: AbortSignal; heldMs: number },
  ): Promise<void> {
    const losing = new AbortController()
    const ending = AbortSignal.any([losing.signal, signal])
    const work = lead(ending).catch((error: unknown) => {
      this.#options.logger.error({ err: error }, 'the leader failed')
      losing.abort()
    })
    await this.#renew(heldMs, ending)
    losing.abort()
    await work
    if (signal.aborted) await this.#release()
  }

  /**
   * Returns when the lease is lost, or no longer wanted. Time counts from the request, not from the response:
   * for the others the lease is as old as the write.
   */
  async #renew(heldMs: number, signal: AbortSignal): Promise<void> {
    const { clock, retryMs, renewDeadlineMs } = this.#options
    let renewedMs = heldMs
    const leftMs = () => renewedMs + renewDeadlineMs - clock.now()
    for (;;) {
      await pause(clock, Math.min(retryMs, leftMs()), signal)
      if (signal.aborted || leftMs() <= 0) return
      const askedMs = clock.now()
      const hold = await this.#tryWithin(leftMs())
      if (hold === 'taken') return
      if (hold === 'held') renewedMs = askedMs
    }
  }

  /** A call that hangs must not extend the leadership. */
  async #tryWithin(ms: number): Promise<LeaseState> {
    const ending = new AbortController()
    const tooLate = pause(this.#options.clock, ms, ending.signal).then((): LeaseState => 'unknown')
    return await Promise.race([this.#tryToHold(), tooLate]).finally(() => ending.abort())
  }

  async #tryToHold(): Promise<LeaseState> {
    const { client, identity, logger, namespace, name } = this.#options
    try {
      const lease = await client.get(resources.lease, { namespace, name })
      if (lease === undefined) {
        await client.create(resources.lease, this.#lease(undefined))
        return 'held'
      }
      if (stringAt(lease, 'spec', 'holderIdentity') !== identity && !this.#isFree(lease)) return 'taken'
      await client.replace(resources.lease, this.#lease(lease))
      return 'held'
    } catch (error) {
      // A conflict means that another process succeeded.
      if (!hasStatus(error, 409)) logger.warn({ err: error }, 'cannot read or renew the lease')
      return 'unknown'
    }
  }

  #isFree(lease: KubeObject): boolean {
    const { clock, durationMs } = this.#options
    if (!stringAt(lease, 'spec', 'holderIdentity')) return true
    const version = lease.metadata.resourceVersion ?? ''
    if (this.#seen?.version !== version) this.#seen = { version, atMs: clock.now() }
    const seconds = Number(objectAt(lease, 'spec').leaseDurationSeconds ?? durationMs / 1_000)
    return clock.now() - this.#seen.atMs >= seconds * 1_000
  }

  #lease(current: KubeObject | undefined): KubeObject {
    const { clock, durationMs, identity, namespace, name } = this.#options
    const now = new Date(clock.now()).toISOString().replace('Z', '000Z')
    const spec = objectAt(current, 'spec')
    const isRenewal = spec.holderIdentity === identity
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: current?.metadata ?? { namespace, name },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(durationMs / 1_000),
        acquireTime: isRenewal ? (spec.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: Number(spec.leaseTransitions ?? 0) + (isRenewal || current === undefined ? 0 : 1),
      },
    }
  }

  /** So that a successor need not wait for the lease to run out. */
  async #release(): Promise<void> {
    const { client, identity, logger, namespace, name } = this.#options
    try {
      const lease = await client.get(resources.lease, { namespace, name })
      if (lease === undefined || stringAt(lease, 'spec', 'holderIdentity') !== identity) return
      await client.replace(resources.lease, {
        ...lease,
        spec: { ...objectAt(lease, 'spec'), holderIdentity: '' },
      })
    } catch (error) {
      logger.warn({ err: error }, 'cannot release the lease')
    }
  }
}
