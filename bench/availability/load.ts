import { setTimeout as pause } from 'node:timers/promises'
import type { KubeClient } from '../../src/kube/client.ts'
import { hasStatus, KubeError } from '../../src/kube/errors.ts'
import { Reflector } from '../../src/kube/reflector.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import { gateCondition, hasGate } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { systemClock } from '../../src/values/clock.ts'
import { type KubeObject, keyOf } from '../../src/values/object.ts'
import { until } from '../../test/cluster/until.ts'
import { service, sklearn } from '../../test/integration/services.ts'

/** How often something was created, and what became of it. */
export interface Tally {
  creates: number
  seconds: number
  p99Ms: number
  /** Attempts that met no API server, or none that could answer, and were made again. */
  repeated: number
  /** Why creates were refused, or never answered. */
  failed: string[]
  /** The names of services that should have been accelerated and were not. */
  missed: string[]
  /** Pods whose cache was cold. */
  held: number
  /** Pods without a gate whose cache was cold. */
  notHeld: number
  /** Pods that were not released a minute after the last create. */
  heldForever: string[]
}

export interface LoadOptions {
  client: KubeClient
  namespace: string
  /** Services each second. */
  rate: number
  /** Services with a cache of their own and a pod each second. */
  heldRate: number
}

// Services that are alive at a time share these.
const models = 5
const aliveSeconds = 2
const mostPending = 256
const patienceMs = 60_000
const releaseMs = 60_000
// KServe and a ReplicaSet take longer from a service to its pod.
const podDelayMs = 200

/** Creates services and pods at a fixed rate until it is stopped, and deletes them some time later. */
export class Load {
  readonly #options: LoadOptions
  readonly #pods: Reflector
  readonly #ending = new AbortController()
  readonly #pending = new Set<Promise<void>>()
  readonly #alive: KubeObject[] = []
  readonly #released = new Set<string>()
  readonly #held = new Map<string, KubeObject>()
  readonly #latencies: number[] = []
  readonly #tally = { creates: 0, repeated: 0, failed: [] as string[], missed: [] as string[], notHeld: 0 }
  readonly #startedMs = performance.now()
  readonly #loops: Promise<void>[]
  readonly #prefix: string

  constructor(options: LoadOptions, prefix: string) {
    this.#options = options
    this.#prefix = prefix
    const { client, namespace, rate, heldRate } = options
    const logger = createLogger('silent')
    const select = { namespace }
    this.#pods = new Reflector({ client, clock: systemClock, logger, resource: resources.pod, select })
    this.#pods.onChange(({ object }) => this.#sawPod(object))
    this.#pods.start()
    this.#loops = [
      this.#at(rate, (index) => this.#createShared(index)),
      this.#at(heldRate, (index) => this.#createHeld(index)),
    ]
  }

  /** Ends the load, waits for the pods that are held, and counts. */
  async stop(): Promise<Tally> {
    this.#ending.abort()
    await Promise.all(this.#loops)
    const seconds = (performance.now() - this.#startedMs) / 1_000
    await Promise.all(this.#pending)
    const left = () => [...this.#held.keys()].filter((name) => !this.#released.has(name))
    await until('released pods', async () => left().length === 0 || undefined, {
      timeoutMs: releaseMs,
    }).catch(() => {})
    const heldForever = left()
    await this.#pods.stop()
    for (const object of this.#alive.splice(0)) await this.#remove(resources.inferenceService, object)
    for (const pod of this.#held.values()) await this.#remove(resources.pod, pod)
    const sorted = this.#latencies.toSorted((a, b) => a - b)
    const p99Ms = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN
    return { ...this.#tally, seconds, p99Ms, held: this.#held.size, heldForever }
  }

  /** Starts work at a rate. After a delay it starts more at once, unless too much is under way. */
  async #at(rate: number, work: (index: number) => Promise<void>): Promise<void> {
    const { signal } = this.#ending
    for (let index = 0; rate > 0 && !signal.aborted; index++) {
      const aheadMs = ((index + 1) * 1_000) / rate - (performance.now() - this.#startedMs)
      if (aheadMs > 0) await pause(aheadMs, undefined, { signal }).catch(() => {})
      while (this.#pending.size >= mostPending) await Promise.race(this.#pending)
      if (signal.aborted) return
      const started = work(index).finally(() => this.#pending.delete(started))
      this.#pending.add(started)
    }
  }

  async #createShared(index: number): Promise<void> {
    const name = `${this.#prefix}-${index}`
    const made = await this.#createService(name, `s3://models/shared-${index % models}`)
    if (made === undefined) return
    this.#alive.push(made)
    if (this.#alive.length <= this.#options.rate * aliveSeconds) return
    const [oldest] = this.#alive.splice(0, 1)
    if (oldest !== undefined) await this.#remove(resources.inferenceService, oldest)
  }

  async #createHeld(index: number): Promise<void> {
    const name = `${this.#prefix}-held-${index}`
    const made = await this.#createService(name, `s3://models/${name}`)
    const [cache] = made === undefined ? [] : cacheNames(made)
    if (made === undefined || cache === undefined) return
    await pause(podDelayMs)
    const pod = await this.#create(resources.pod, this.#pod(name, cache))
    this.#alive.push(made)
    if (pod === undefined) return
    if (hasGate(pod)) this.#held.set(name, pod)
    else this.#tally.notHeld += 1
  }

  /** Resolves with undefined if it was not created, or not accelerated: that one stays, to be found. */
  async #createService(name: string, uri: string): Promise<KubeObject | undefined> {
    const startedMs = performance.now()
    const object = service(this.#options.namespace, name, sklearn(uri))
    const made = await this.#create(resources.inferenceService, object)
    if (made === undefined) return undefined
    this.#tally.creates += 1
    this.#latencies.push(performance.now() - startedMs)
    if (cacheNames(made).length > 0) return made
    this.#tally.missed.push(name)
    return undefined
  }

  async #create(resource: Resource, object: KubeObject): Promise<KubeObject | undefined> {
    const { client } = this.#options
    const deadlineMs = performance.now() + patienceMs
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2_000)) {
      try {
        return await client.create(resource, object)
      } catch (error) {
        // An attempt before it was stored, though it was not answered.
        if (hasStatus(error, 409)) return await client.get(resource, keyOf(object)).catch(() => undefined)
        if (!isAway(error) || performance.now() > deadlineMs) {
          this.#tally.failed.push(`${object.metadata.name}: ${(error as Error).message}`)
          return undefined
        }
        this.#tally.repeated += 1
        await pause(waitMs)
      }
    }
  }

  async #remove(resource: Resource, object: KubeObject): Promise<void> {
    const gone = async () => {
      await this.#options.client.delete(resource, keyOf(object))
      return true
    }
    await until(`the end of ${object.metadata.name}`, gone)
  }

  #sawPod(pod: KubeObject): void {
    const name = pod.metadata.name ?? ''
    if (gateCondition(pod)?.status === 'True') this.#released.add(name)
  }

  /** As KServe makes it of an accelerated service. */
  #pod(name: string, cache: string): KubeObject {
    const labels = { 'serving.kserve.io/inferenceservice': name, component: 'predictor' }
    const metadata = {
      name,
      namespace: this.#options.namespace,
      labels,
      annotations: { 'warmgate.dev/caches': cache },
    }
    const volumes = [{ name: 'kserve-pvc-source', persistentVolumeClaim: { claimName: cache } }]
    const containers = [{ name: 'kserve-container', image: 'server' }]
    return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers, volumes } }
  }
}

/** Whether the API server is away, or waits for etcd. What a webhook does comes with other answers. */
function isAway(error: unknown): boolean {
  if (!(error instanceof KubeError) || error.message.includes('webhook')) return false
  return error.status === 0 || error.status === 429 || error.status >= 500
}
