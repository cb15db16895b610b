import { parseArgs } from 'node:util'
import { Gauges } from '../src/cluster/gauges.ts'
import { Controller } from '../src/controller/controller.ts'
import { cacheObjects } from '../src/fluid/cache.ts'
import { asPartOf } from '../src/fluid/dataset.ts'
import type { WatchEvent } from '../src/kube/client.ts'
import { createEventRecorder } from '../src/kube/events.ts'
import { stillClient } from '../src/kube/still-client.ts'
import { lines, parseJson } from '../src/kube/stream.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { createMetrics } from '../src/telemetry/metrics.ts'
import { systemClock } from '../src/values/clock.ts'
import { type Json, type KubeObject, keyOf, keyText, ownerReference } from '../src/values/object.ts'
import { benchMirror } from './handlers.ts'
import {
  type CacheNames,
  credentialsOf,
  datasetStatus,
  groundObjects,
  loadStatus,
  podObject,
  podStatus,
  runtimeStatus,
  serviceObject,
  serviceStatus,
  sizeOf,
} from './scale/objects.ts'

// What one event of a watch costs the leader inside its process, without TLS and HTTP, beside JSON.parse of the same
// lines: quick rounds while an event is made cheaper. On a busy machine only their ratio says something.

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '15' },
    only: { type: 'string', default: '' },
  },
})
const eventsOfRound = 200

/** Bytes that are sent when they are asked for. */
class Feed {
  #wanted = Promise.withResolvers<Buffer>()
  #isTaken = Promise.withResolvers<void>()

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const bytes = await this.#wanted.promise
      this.#wanted = Promise.withResolvers()
      yield bytes
      this.#isTaken.resolve()
    }
  }

  /** Resolves once they have been read. */
  async send(bytes: Buffer): Promise<void> {
    this.#isTaken = Promise.withResolvers()
    this.#wanted.resolve(bytes)
    await this.#isTaken.promise
  }
}

const size = sizeOf(Number(values.services))
const objects: { [plural: string]: KubeObject[] } = { namespaces: [], accelerationpolicies: [], secrets: [] }
for (const object of groundObjects()) {
  const plural =
    object.kind === 'AccelerationPolicy' ? 'accelerationpolicies' : `${object.kind.toLowerCase()}s`
  objects[plural]?.push(object)
}
const identified = (object: KubeObject, index: number): KubeObject => ({
  ...object,
  metadata: { generation: 1, ...object.metadata, uid: `${object.kind}-${index}`, resourceVersion: '1' },
})
const names: CacheNames = new Map()
const services = Array.from({ length: size.services }, (_, index) =>
  identified(serviceObject(index, size, names), index),
)
const pods = Array.from({ length: size.pods }, (_, index) => {
  const service = services[index % size.services]
  if (service === undefined) throw new Error('no service')
  return identified(podObject(index, { services: size.services, service }), index)
})
const credentials = Array.from({ length: size.caches }, (_, index) => credentialsOf(index)).flat()
const stored: { [plural: string]: KubeObject[] } = { ...objects, inferenceservices: services, pods }
const feeds = new Map<string, Feed>()
const client = {
  ...stillClient({
    objects: new Proxy(stored, {
      get: (all, plural: string) => all[plural]?.map((each) => structuredClone(each)),
    }),
    get: async ({ kind }, key) =>
      [...credentials, ...(objects.secrets ?? [])].find(
        (each) => each.kind === kind && keyText(keyOf(each)) === keyText(key),
      ),
  }),
  async *watch({ plural }: { plural: string }): AsyncGenerator<WatchEvent> {
    const feed = new Feed()
    if (!feeds.has(plural)) feeds.set(plural, feed)
    for await (const line of lines(feed)) yield parseJson(line) as unknown as WatchEvent
  },
}

const [clock, logger, metrics] = [systemClock, createLogger('silent'), createMetrics()]
const { mirror, planner } = await benchMirror(client, logger)

const events = createEventRecorder({ client, clock, logger, instance: 'bench' })
const webhookConfiguration = 'acceleration.warmgate.dev'
const gauges = new Gauges(mirror, metrics)
const controller = new Controller({
  mirror,
  client,
  planner,
  metrics,
  clock,
  events,
  logger,
  webhookConfiguration,
})
mirror.start()
while (mirror.unsynced().length > 0) await new Promise((resolve) => setTimeout(resolve, 10))

async function send(plural: string, type: string, all: KubeObject[]): Promise<void> {
  const feed = feeds.get(plural)
  if (feed === undefined) throw new Error(`no watch of ${plural}`)
  for (const object of all) await feed.send(lineOf(type, object))
}

function lineOf(type: string, object: KubeObject): Buffer {
  return Buffer.from(`${JSON.stringify({ type, object })}\n`)
}

const datasets: KubeObject[] = []
for (let cache = 0; cache < size.caches; cache++) {
  const users = services.filter((_, index) => index % size.caches === cache)
  const [first] = users
  const [planned] = first === undefined ? [] : (await planner.existing(first)).caches
  if (planned === undefined) throw new Error('no cache')
  const owners = { ownerReferences: users.map(ownerReference) }
  const [head, ...others] = cacheObjects(planned).map((object, index) =>
    identified({ ...object, metadata: { ...object.metadata, ...owners } }, cache * 10 + index),
  )
  if (head === undefined) throw new Error('no Dataset')
  const dataset = { ...head, status: datasetStatus(0) }
  datasets.push(dataset)
  await send('datasets', 'ADDED', [dataset])
  for (const object of others.map((each) => asPartOf(each, dataset)))
    await send(object.kind === 'DataLoad' ? 'dataloads' : 'jindoruntimes', 'ADDED', [
      { ...object, status: object.kind === 'DataLoad' ? loadStatus : runtimeStatus },
    ])
}
const stopping = new AbortController()
void controller.run(stopping.signal)
await new Promise((resolve) => setTimeout(resolve, 3_000))
gauges.set(clock.now())

const kinds: { name: string; plural: string; of: KubeObject[]; status: (version: number) => Json }[] = [
  { name: 'service', plural: 'inferenceservices', of: services, status: serviceStatus },
  { name: 'pod', plural: 'pods', of: pods, status: podStatus },
  { name: 'Dataset', plural: 'datasets', of: datasets, status: datasetStatus },
]
let version = 1
async function microseconds(times: number, work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / times
}
const rows = kinds
  .filter(({ name }) => name.includes(values.only))
  .map((kind) => ({ ...kind, parse: [] as number[], whole: [] as number[] }))
for (let round = 0; round < Number(values.rounds); round++) {
  for (const { plural, of, status, parse, whole } of rows) {
    const all = Array.from({ length: eventsOfRound }, (_, index) => {
      version += 1
      const object = of[(round * eventsOfRound + index) % of.length] as KubeObject
      const metadata = { ...object.metadata, resourceVersion: String(version) }
      return lineOf('MODIFIED', { ...object, metadata, status: status(version) })
    })
    parse.push(
      await microseconds(all.length, async () => {
        for (const bytes of all) JSON.parse(bytes.toString())
      }),
    )
    whole.push(
      await microseconds(all.length, async () => {
        for (const bytes of all) await feeds.get(plural)?.send(bytes)
      }),
    )
  }
}
const median = (all: number[]) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0
for (const { name, parse, whole } of rows)
  process.stdout.write(
    `${name.padEnd(10)}${median(parse).toFixed(0).padStart(6)}${median(whole).toFixed(0).padStart(6)}${(median(whole) / median(parse)).toFixed(2).padStart(8)}   least ${Math.min(...whole).toFixed(0)}/${Math.min(...parse).toFixed(0)}\n`,
  )
process.exit()
