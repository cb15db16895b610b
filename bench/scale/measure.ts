import { setTimeout as pause } from 'node:timers/promises'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { Reflector } from '../../src/kube/reflector.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { systemClock } from '../../src/values/clock.ts'
import { type JsonObject, type KubeObject, keyOf, stringAt } from '../../src/values/object.ts'
import { until } from '../../test/cluster/until.ts'
import type { Ground } from './ground.ts'
import { datasetStatus, loadStatus, podStatus, runtimeStatus, type Size, serviceStatus } from './objects.ts'
import { type Build, MeasuredReplica } from './replica.ts'

/** What a replica needs in a cluster of some size. */
export interface Needs {
  syncSeconds: number
  /** After the sync and the take-over. */
  rssMiB: number
  peakMiB: number
  /** What is alive in the heap at the end. */
  heapMiB: number
  takeoverMs: number
  takeoverCalls: number
  serviceEvent: EventCost
  datasetEvent: EventCost
  podEvent: EventCost
  scrapeMs: number
}

/** CPU for one event, in milliseconds. */
export interface EventCost {
  ms: number
  /** Of a process that only receives and parses the same events at the same time. */
  bareMs: number
}

export const eventsPerSecond = 100
const events = 500
const scrapes = 20
const idleMs = 6_000
// What settles for a second belongs to the events before it.
const settlingMs = 2_500

/** Fills the caches: a replica creates them, and what it creates is Bound, ready and complete at once. */
export async function warmUp(ground: Ground, { caches }: Size, build: Build): Promise<void> {
  const maker = await MeasuredReplica.start(ground.kubeconfig, 'maker', roomy(build))
  const { client } = ground
  const parts = [
    { resource: resources.dataset, status: datasetStatus(0) },
    { resource: runtimeResources.Jindo, status: runtimeStatus },
    { resource: resources.dataLoad, status: loadStatus },
  ].map((part) => ({ ...part, copy: follow(client, part.resource), done: new Set<string>() }))
  const work = async () => {
    for (const { resource, status, copy, done } of parts) {
      const fresh = copy.list().filter(({ metadata }) => !done.has(metadata.name ?? ''))
      await Promise.all(fresh.map((object) => patchStatus(client, resource, object, status)))
      for (const { metadata } of fresh) done.add(metadata.name ?? '')
    }
    return parts.every(({ done }) => done.size >= caches) || undefined
  }
  await until(`${caches} warm caches`, work, { timeoutMs: 900_000 })
  await Promise.all(parts.map(({ copy }) => copy.stop()))
  await maker.quiet()
  await maker.stop()
}

/** Starts a replica as a standby, makes it the leader, and sends it events. `leader` is what leads before. */
export async function measure(
  { client, kubeconfig }: Ground,
  { build, leader, bare }: { build: Build; leader: Build; bare: Build },
): Promise<Needs> {
  const first = await MeasuredReplica.start(kubeconfig, 'first', roomy(leader))
  await first.synced()
  await leads(client, first)
  const startedMs = performance.now()
  const replica = await MeasuredReplica.start(kubeconfig, 'measured', build)
  try {
    await replica.synced()
    const syncSeconds = (performance.now() - startedMs) / 1_000
    const synced = await replica.quiet()
    await first.stop()
    await leads(client, replica)
    const taken = await replica.quiet()
    const send = async (resource: Resource, status: (version: number) => JsonObject) => {
      const { items } = await client.list(resource, { namespace: 'team-0' })
      return await costOfEvent({ kubeconfig, replica, bare }, async (index) => {
        const object = items[index % items.length]
        if (object !== undefined) await patchStatus(client, resource, object, status(index + 1))
      })
    }
    const serviceEvent = await send(resources.inferenceService, serviceStatus)
    const datasetEvent = await send(resources.dataset, datasetStatus)
    const podEvent = await send(resources.pod, podStatus)
    await replica.quiet(20_000)
    const before = await replica.usage()
    for (let index = 0; index < scrapes; index++) await replica.scrape()
    const scrapeMs = ((await replica.usage()).cpuMs - before.cpuMs) / scrapes
    const { heapMiB } = await replica.usage('heap')
    return {
      syncSeconds,
      rssMiB: taken.rssMiB,
      peakMiB: taken.peakMiB,
      heapMiB,
      takeoverMs: taken.cpuMs - synced.cpuMs,
      takeoverCalls: taken.calls - synced.calls,
      serviceEvent,
      datasetEvent,
      podEvent,
      scrapeMs,
    }
  } finally {
    await first.stop()
    await replica.stop()
  }
}

function roomy(build: Build): Build {
  return { ...build, nodeOptions: ['--max-old-space-size=4096'] }
}

async function leads(client: KubeClient, replica: MeasuredReplica): Promise<void> {
  await until('leader', async () => {
    const lease = await client.get(resources.lease, { namespace: 'warmgate-system', name: 'warmgate' })
    return stringAt(lease, 'spec', 'holderIdentity') === replica.identity || undefined
  })
}

async function patchStatus(
  client: KubeClient,
  resource: Resource,
  object: KubeObject,
  status: JsonObject,
): Promise<void> {
  const patch = { type: 'merge' as const, body: { status } }
  await client.patch(resource, keyOf(object), patch, { subresource: 'status' })
}

function follow(client: KubeClient, resource: Resource): Reflector {
  const logger = createLogger('silent')
  const reflector = new Reflector({ client, clock: systemClock, logger, resource })
  reflector.start()
  return reflector
}

async function costOfEvent(
  { kubeconfig, replica, bare }: { kubeconfig: string; replica: MeasuredReplica; bare: Build },
  write: (index: number) => Promise<unknown>,
): Promise<EventCost> {
  const watcher = await MeasuredReplica.start(kubeconfig, 'bare', bare)
  try {
    await replica.quiet(20_000)
    const processes = [replica, watcher]
    const idlePerMs = await Promise.all(processes.map(idleCpu))
    const before = await Promise.all(processes.map((each) => each.usage()))
    const startedMs = performance.now()
    for (let index = 0; index < events; index++) {
      await write(index)
      const aheadMs = ((index + 1) * 1_000) / eventsPerSecond - (performance.now() - startedMs)
      if (aheadMs > 0) await pause(aheadMs)
    }
    await pause(settlingMs)
    const after = await Promise.all(processes.map((each) => each.usage()))
    const tookMs = performance.now() - startedMs
    const [ms = Number.NaN, bareMs = Number.NaN] = after.map(({ cpuMs }, index) => {
      const ownMs = cpuMs - (before[index]?.cpuMs ?? 0)
      return (ownMs - (idlePerMs[index] ?? 0) * tookMs) / events
    })
    return { ms, bareMs }
  } finally {
    await watcher.stop()
  }
}

/** What a replica uses for its lease, and for caches that are looked at one by one: its CPU for each millisecond. */
async function idleCpu(replica: MeasuredReplica): Promise<number> {
  const before = await replica.usage()
  await pause(idleMs)
  return ((await replica.usage()).cpuMs - before.cpuMs) / idleMs
}
