import type { KubeClient } from '../../src/kube/client.ts'
import { KubeError } from '../../src/kube/errors.ts'
import { LeaderElector } from '../../src/kube/lease.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import type { FakeClock } from '../../src/values/clock.fake.ts'
import { type Clock, pause } from '../../src/values/clock.ts'
import { type KubeObject, objectAt } from '../../src/values/object.ts'

const namespace = 'warmgate-system'
const name = 'warmgate'

/** The state of the server; a number is the delay of its responses in milliseconds. */
export type ServerHealth = 'fine' | 'failing' | 'hanging' | number

/** The one lease that all compete for, guarded by its version as the API server guards it. */
export class SharedLease {
  lease: KubeObject | undefined
  #version = 0

  write(spec: object): void {
    this.#version += 1
    const metadata = { namespace, name, resourceVersion: String(this.#version) }
    this.lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: { ...spec } }
  }

  get spec() {
    return objectAt(this.lease, 'spec')
  }

  /** One process's way to the server, with its own weather. */
  client(health: () => ServerHealth, clock: Clock): KubeClient {
    const through = async <T>(answer: () => T): Promise<T> => {
      // Every request takes a moment, in which another's may come between.
      await null
      const now = health()
      if (typeof now === 'number') await pause(clock, now)
      if (health() === 'hanging') await new Promise(() => {})
      if (health() === 'failing') throw new KubeError('lease', { status: 500, message: 'etcd is away' })
      return answer()
    }
    const conflict = new KubeError('lease', { status: 409, reason: 'Conflict', message: 'changed' })
    const client: Partial<KubeClient> = {
      get: () => through(() => this.lease),
      create: (_, object) =>
        through(() => {
          if (this.lease !== undefined) throw conflict
          this.write(objectAt(object, 'spec'))
          return object
        }),
      replace: (_, object) =>
        through(() => {
          if (object.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) throw conflict
          this.write(objectAt(object, 'spec'))
          return object
        }),
    }
    return client as KubeClient
  }
}

/** A process that takes part in the leader election. */
export function makeProcess({
  shared,
  clock,
  identity,
}: {
  shared: SharedLease
  clock: FakeClock
  identity: string
}) {
  const stopping = new AbortController()
  const process = {
    identity,
    health: 'fine' as ServerHealth,
    isLeading: false,
    terms: 0,
    logged: [] as object[],
    /** The leader's work at the end of its term. */
    windUp: async () => {},
    work: async () => {},
    stop: () => stopping.abort(),
    ended: Promise.resolve(),
  }
  const elector = new LeaderElector({
    client: shared.client(() => process.health, clock),
    clock,
    logger: createLogger('warn', { write: (line) => process.logged.push(JSON.parse(line)) }),
    namespace,
    name,
    identity,
  })
  process.ended = elector.run(async (signal) => {
    process.isLeading = true
    process.terms += 1
    await process.work()
    const { promise, resolve } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => resolve())
    await promise
    process.isLeading = false
    await process.windUp()
  }, stopping.signal)
  return process
}
