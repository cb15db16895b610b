import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { runtimeResources } from '../src/cluster/runtimes.ts'
import type { KubeClient } from '../src/kube/client.ts'
import { Reflector } from '../src/kube/reflector.ts'
import { type Resource, resources } from '../src/kube/resources.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { systemClock } from '../src/values/clock.ts'
import { type JsonObject, type KubeObject, keyOf } from '../src/values/object.ts'
import { until } from '../test/cluster/until.ts'
import { fakeGround, type Ground, realGround } from './scale/ground.ts'
import * as make from './scale/objects.ts'
import { type Build, bundleReplica, MeasuredReplica, shippedNodeOptions } from './scale/replica.ts'

export interface ScaleRow extends make.Size {
  syncSeconds: number
  rssMiB: number
  heapMiB: number
  peakMiB: number
  takeoverMs: number
  takeoverCalls: number
  serviceEventMs: number
  datasetEventMs: number
  podEventMs: number
  scrapeMs: number
}

function follow(client: KubeClient, resource: Resource): Reflector {
  const logger = createLogger('silent')
  const reflector = new Reflector({ client, clock: systemClock, logger, resource })
  reflector.start()
  return reflector
}

/** Plays Fluid until every cache is warm: what it makes is Bound, ready and complete at once. */
async function warmUp({ client }: Ground, { caches }: make.Size): Promise<void> {
  const parts = [
    { resource: resources.dataset, status: make.datasetStatus(0) },
    { resource: runtimeResources.Jindo, status: make.runtimeStatus },
    { resource: resources.dataLoad, status: make.loadStatus },
  ].map((part) => ({ ...part, copy: follow(client, part.resource), done: new Set<string>() }))
  const work = async () => {
    for (const { resource, status, copy, done } of parts)
      for (const object of copy.list()) {
        const { name = '' } = object.metadata
        if (done.has(name)) continue
        done.add(name)
        await client.patch(
          resource,
          keyOf(object),
          { type: 'merge', body: { status } },
          { subresource: 'status' },
        )
      }
    return parts.every(({ done }) => done.size >= caches) || undefined
  }
  await until(`${caches} warm caches`, work, { timeoutMs: 900_000 })
  await Promise.all(parts.map(({ copy }) => copy.stop()))
}

const eventsPerSecond = 100

async function cpuPerEvent(
  replica: MeasuredReplica,
  count: number,
  write: (index: number) => Promise<unknown>,
): Promise<number> {
  await replica.quiet(20_000)
  const before = await replica.usage()
  const startedMs = performance.now()
  for (let index = 0; index < count; index++) {
    await write(index)
    const aheadMs = ((index + 1) * 1_000) / eventsPerSecond - (performance.now() - startedMs)
    if (aheadMs > 0) await pause(aheadMs)
  }
  // What settles for a second belongs to them.
  await pause(2_500)
  const after = await replica.usage()
  return (after.cpuMs - before.cpuMs) / count
}

async function measure(size: make.Size, ground: Ground, build: Build): Promise<ScaleRow> {
  const { client, kubeconfig } = ground
  const maker = await MeasuredReplica.start(kubeconfig, 'maker', {
    ...build,
    nodeOptions: ['--max-old-space-size=4096'],
  })
  await warmUp(ground, size)
  await maker.quiet()
  const startedMs = performance.now()
  const replica = await MeasuredReplica.start(kubeconfig, 'measured', build)
  try {
    await replica.synced()
    const syncSeconds = (performance.now() - startedMs) / 1_000
    const synced = await replica.quiet()
    await maker.stop()
    const isLeading = async () => {
      const lease = await client.get(resources.lease, { namespace: 'warmgate-system', name: 'warmgate' })
      return (lease?.spec as JsonObject | undefined)?.holderIdentity === replica.identity || undefined
    }
    await until('leader', isLeading)
    const taken = await replica.quiet()
    const settled = await replica.usage()
    const services = (await client.list(resources.inferenceService, { namespace: 'team-0' })).items
    const datasets = (await client.list(resources.dataset, { namespace: 'team-0' })).items
    const pods = (await client.list(resources.pod, { namespace: 'team-0' })).items
    const status =
      (resource: Resource, objects: KubeObject[], body: (index: number) => JsonObject) => (index: number) => {
        const object = objects[index % objects.length]
        if (object === undefined) throw new Error('nothing to write')
        const patch = { type: 'merge' as const, body: { status: body(index) } }
        return client.patch(resource, keyOf(object), patch, { subresource: 'status' })
      }
    const count = 500
    const serviceEventMs = await cpuPerEvent(
      replica,
      count,
      status(resources.inferenceService, services, (index) =>
        make.serviceStatus(index % services.length, index + 1),
      ),
    )
    const datasetEventMs = await cpuPerEvent(
      replica,
      count,
      status(resources.dataset, datasets, (index) => make.datasetStatus(index + 1)),
    )
    const podEventMs = await cpuPerEvent(
      replica,
      count,
      status(resources.pod, pods, (index) => make.podStatus(index + 1)),
    )
    await replica.quiet(20_000)
    const before = await replica.usage()
    const scrapes = 20
    for (let index = 0; index < scrapes; index++) await replica.scrape()
    const scrapeMs = ((await replica.usage()).cpuMs - before.cpuMs) / scrapes
    const end = await replica.usage('heap')
    return {
      ...size,
      syncSeconds,
      rssMiB: settled.rssMiB,
      heapMiB: end.heapMiB,
      peakMiB: settled.peakMiB,
      takeoverMs: taken.cpuMs - synced.cpuMs,
      takeoverCalls: taken.calls - synced.calls,
      serviceEventMs,
      datasetEventMs,
      podEventMs,
      scrapeMs,
    }
  } finally {
    await replica.stop()
  }
}

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '1000,5000' },
    /** Flags of Node; those of the shipped manifest if it is not given. */
    'node-options': { type: 'string' },
    /** Another checkout to measure, instead of this one. */
    checkout: { type: 'string' },
    /** Against an API server in this process instead of a real one: quick, and closer to the replica's own costs. */
    fake: { type: 'boolean', default: false },
  },
})
const nodeOptions = values['node-options']?.split(' ') ?? (await shippedNodeOptions())
const checkout =
  values.checkout === undefined ? new URL('../', import.meta.url) : pathToFileURL(`${values.checkout}/`)
const dir = await mkdtemp(join(tmpdir(), 'warmgate-scale-'))
const program = join(dir, 'replica.mjs')
await bundleReplica(checkout, program)
try {
  for (const services of values.services.split(',').map(Number)) {
    const size = make.sizeOf(services)
    const ground = await (values.fake ? fakeGround(size) : realGround(size))
    try {
      const row = await measure(size, ground, { program, nodeOptions })
      const text = Object.entries(row).map(([name, value]) => `${name} ${Math.round(value * 100) / 100}`)
      process.stdout.write(`${text.join('\n')}\n\n`)
    } finally {
      await ground.stop()
    }
  }
} finally {
  await rm(dir, { recursive: true })
}
