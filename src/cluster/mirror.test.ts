import { afterEach, expect, test } from 'vitest'
import type { KubeClient, ListingOptions, WatchEvent } from '../kube/client.ts'
import { KubeError } from '../kube/errors.ts'
import type { Resource } from '../kube/resources.ts'
import { fakeSigner } from '../plan/plan.fake.ts'
import { createLogger } from '../telemetry/logger.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type Clock, systemClock } from '../values/clock.ts'
import type { KubeObject } from '../values/object.ts'
import { fakePod } from './cluster.fake.ts'
import { Mirror } from './mirror.ts'
import { cutOf } from './reduce.ts'

/** An API server's lists and watches, in memory. */
class FakeServer {
  readonly listed: string[] = []
  /** Plural names of what may not be listed. */
  readonly forbidden = new Set<string>()
  /** What it serves of Fluid. */
  fluid: string[] = []
  readonly #objects: { [plural: string]: KubeObject[] }
  readonly #watchers = new Map<string, (event: WatchEvent) => void>()

  constructor(objects: { [plural: string]: KubeObject[] }) {
    this.#objects = objects
  }

  put(plural: string, object: KubeObject): void {
    const others = (this.#objects[plural] ?? []).filter(
      ({ metadata }) => metadata.name !== object.metadata.name,
    )
    this.#objects[plural] = [...others, object]
    this.#watchers.get(plural)?.({ type: 'MODIFIED', object })
  }

  get client(): KubeClient {
    const client: Partial<KubeClient> = {
      discover: async () => this.fluid,
      list: async (
        { plural }: Resource,
        { reduce = (whole) => whole, labelSelector }: ListingOptions = {},
      ) => {
        this.listed.push(plural)
        if (this.forbidden.has(plural)) throw new KubeError('list', { status: 403, message: 'no right' })
        if (plural === 'accelerationpolicies' && this.#objects[plural] === undefined)
          throw new KubeError('list', { status: 404, message: 'not installed' })
        const all = labelSelector?.startsWith('app') ? [] : (this.#objects[plural] ?? [])
        return { items: all.flatMap((object) => reduce(object) ?? []), resourceVersion: '1' }
      },
      watch: ({ plural }, { signal, labelSelector }) =>
        this.#watch(`${plural}${labelSelector ?? ''}`, signal),
    }
    return client as KubeClient
  }

  async *#watch(key: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const plural = key.startsWith('pods') ? 'pods' : key
    const waiting: WatchEvent[] = []
    let wake = () => {}
    if (!key.includes('part-of'))
      this.#watchers.set(plural, (event) => {
        waiting.push(event)
        wake()
      })
    while (!signal.aborted) {
      yield* waiting.splice(0)
      await new Promise<void>((resolve) => {
        wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}

let mirror: Mirror
afterEach(() => mirror.stop())

function start(server: FakeServer, clock: Clock = systemClock): void {
  const logger = createLogger('silent')
  mirror = new Mirror({
    client: server.client,
    clock,
    logger,
    kserveNamespace: 'kserve',
    llmVersion: 'v1alpha2',
    signer: fakeSigner,
  })
  mirror.start()
}

function namespace(name: string, labels = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}

function service(name: string, ofNamespace = 'models', size = 0): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name, namespace: ofNamespace, generation: 1 },
    spec: { predictor: { name: 'x'.repeat(size) } },
  }
}

const enabled = { 'warmgate.dev/acceleration': 'enabled' }
const key = { namespace: 'models', name: 'llama' }

async function settle(): Promise<void> {
  await expect.poll(() => mirror.unsynced(), { timeout: 10_000 }).toEqual([])
}

test('services and pods are listed once it is known which namespaces are open', async () => {
  const pod = { ...fakePod({ annotations: {} }), spec: {} }
  const server = new FakeServer({
    namespaces: [namespace('models'), namespace('open', enabled)],
    inferenceservices: [service('llama'), service('bloom', 'open')],
    pods: [pod],
  })
  start(server)
  await settle()
  const [policies, services] = ['accelerationpolicies', 'inferenceservices'].map((each) =>
    server.listed.indexOf(each),
  )
  expect(services).toBeGreaterThan(policies ?? 0)
  expect(mirror.services.get('InferenceService', key)?.spec).toBeUndefined()
  expect(mirror.services.get('InferenceService', { namespace: 'open', name: 'bloom' })?.spec).toBeDefined()
  expect(mirror.pods.list()).toEqual([])
})

test.each<[string, (server: FakeServer) => void]>([
  ['it is labelled', (server) => server.put('namespaces', namespace('models', enabled))],
  [
    'a policy is for the whole cluster',
    (server) =>
      server.put('accelerationpolicies', {
        apiVersion: 'warmgate.dev/v1alpha1',
        kind: 'AccelerationPolicy',
        metadata: { name: 'all' },
        spec: { scope: 'Cluster' },
      }),
  ],
])('a namespace is opened where %s: its services and pods are read again, once', async (_, open) => {
  const pod = { ...fakePod({ annotations: {} }), spec: {} }
  const server = new FakeServer({
    namespaces: [namespace('models'), namespace('other')],
    accelerationpolicies: [],
    inferenceservices: [service('llama')],
    pods: [pod],
  })
  start(server)
  await settle()
  open(server)
  await expect.poll(() => mirror.pods.list().length, { timeout: 10_000 }).toBe(1)
  await expect
    .poll(() => mirror.services.get('InferenceService', key)?.spec, { timeout: 10_000 })
    .toBeDefined()
  server.put('namespaces', namespace('other', enabled))
  expect(server.listed.filter((plural) => plural === 'inferenceservices')).toHaveLength(2)
})

test('a service that is too large is kept without its spec, and marked', async () => {
  const server = new FakeServer({
    namespaces: [namespace('models', enabled)],
    inferenceservices: [service('bloom', 'models', 200_000)],
  })
  start(server)
  await settle()
  const large = service('llama', 'models', 200_000)
  server.put('inferenceservices', { ...large, metadata: { ...large.metadata, resourceVersion: '2' } })
  await expect.poll(() => mirror.services.list()).toHaveLength(2)
  const kept = mirror.services.list()
  expect(kept.map((each) => mirror.services.isTooLarge(each))).toEqual([true, true])
  expect(kept.map(cutOf)).toEqual(['TooLarge', 'TooLarge'])
})

test('a forbidden resource at the start is reported immediately, and ends the start after two minutes', async () => {
  const [server, clock, signal] = [new FakeServer({}), new FakeClock(), new AbortController().signal]
  server.forbidden.add('datasets').add('jobs')
  start(server, clock)
  const refusals: (Error | undefined)[] = []
  void mirror.waitForRefusal(signal).then((refusal) => refusals.push(refusal))
  await clock.advance(1_000)
  expect(mirror.unsynced()).toEqual([
    'datasets (list is forbidden)',
    'jobs (list is forbidden)',
    'jobs that fill mirrors (list is forbidden)',
  ])
  expect(mirror.forbidden()).toMatchObject({ datasets: true, jobs: true, pods: false })
  server.forbidden.delete('jobs')
  await clock.advance(110_000)
  expect(mirror.unsynced()).toEqual(['datasets (list is forbidden)'])
  expect(refusals).toEqual([])
  await clock.advance(20_000)
  expect(refusals).toMatchObject([
    { code: 'WG033', message: expect.stringContaining('forbids: list datasets;') },
  ])
})

test('a resource that is forbidden later is reported after a minute, and does not end the process', async () => {
  const [server, clock, ending] = [new FakeServer({}), new FakeClock(), new AbortController()]
  start(server, clock)
  await clock.advance(1_000)
  expect(mirror.unsynced()).toEqual([])
  const refusals: (Error | undefined)[] = []
  void mirror.waitForRefusal(ending.signal).then((refusal) => refusals.push(refusal))
  server.forbidden.add('datasets')
  mirror.datasets.relist()
  await clock.advance(30_000)
  expect(mirror.forbidden()).toMatchObject({ datasets: true })
  expect(mirror.unsynced()).toEqual([])
  await clock.advance(60_000)
  expect(mirror.unsynced()).toEqual(['datasets (list is forbidden)'])
  // A new leader works with what was read.
  await mirror.waitForSync(ending.signal)
  await clock.advance(600_000)
  expect(refusals).toEqual([])
  server.forbidden.clear()
  await clock.advance(30_000)
  expect(mirror.unsynced()).toEqual([])
  ending.abort()
})

test('Fluid counts as removed only if it is not found twice, since an API server that starts knows no CRD', async () => {
  const [server, clock] = [new FakeServer({}), new FakeClock()]
  server.fluid = ['datasets']
  start(server, clock)
  await clock.advance(1_000)
  server.fluid = []
  await clock.advance(29_000)
  expect(mirror.fluidResources).toEqual(['datasets'])
  server.fluid = ['datasets', 'dataloads']
  await clock.advance(1_000)
  expect(mirror.fluidResources).toEqual(['datasets', 'dataloads'])
  server.fluid = []
  await clock.advance(31_000)
  expect(mirror.fluidResources).toEqual([])
})
