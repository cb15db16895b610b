import {
  cacheName,
  fakeClaim,
  fakeDataLoad,
  fakeDataset,
  fakePod,
  openNamespace,
} from '../../cluster/cluster.fake.ts'
import { HeldPods } from '../../cluster/held.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { followSpeeds } from '../../cluster/speeds.ts'
import type { KubeClient, PatchBody, WriteOptions } from '../../kube/client.ts'
import { KubeError } from '../../kube/errors.ts'
import type { EventNote } from '../../kube/events.ts'
import type { Resource } from '../../kube/resources.ts'
import { fakePolicy, fakeService, recorded } from '../../plan/plan.fake.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import {
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  type ObjectKey,
  objectAt,
  stringAt,
  stringMapAt,
} from '../../values/object.ts'
import { fakeErrors } from '../errors.fake.ts'
import { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { Savings } from '../reporting/savings.ts'
import { HoldReconciler } from './holds.ts'
import { Releases } from './releases.ts'

export const podKey = { namespace: 'models', name: 'llama-0' }
export const atScheduling = {
  readinessGates: [],
  schedulingGates: [{ name: 'theirs' }, { name: 'warmgate.dev/cache-warm' }],
}

/** One held pod of one service on one cache, and the reconciler that is to release it: no API server, no time of its own. */
export function holdScene({ policy = {}, spec = {} }: { policy?: Json; spec?: JsonObject } = {}) {
  const fake = fakeMirror()
  const clock = new FakeClock()
  const events: EventNote[] = []
  const refusals = new Map<string, number>()
  const bodies: Json[] = []
  const lag = new Lag(fake)
  const client = patchingClient(fake, { refusals, bodies, lag })
  const metrics = createMetrics()
  fake.parsed.push(fakePolicy('p', policy))
  fake.namespaces.put(openNamespace)
  const locations = { 'predictor.model': { uri: 's3://models/llama', cache: cacheName } }
  const service = fakeService({ model: { storageUri: `pvc://${cacheName}` } }, { uid: 'service-uid' })
  fake.services.put(recorded(service, { locations }))
  fake.datasets.put(fakeDataset())
  fake.claims.put(fakeClaim())
  fake.dataLoads.put(fakeDataLoad('Executing'))
  const pod = fakePod({ createdMs: clock.now() })
  const metadata = { ...pod.metadata, resourceVersion: '1000' }
  fake.pods.put({ ...pod, metadata, spec: { ...objectAt(pod, 'spec'), ...spec } })
  const recorder = { record: (event: EventNote) => events.push(event) }
  const errors = fakeErrors({ metrics, events: recorder })
  const placements = new PodRewriteUsage()
  const reconciler = new HoldReconciler({
    client,
    mirror: fake.mirror,
    clock,
    metrics,
    events: recorder,
    placements,
    releases: new Releases({
      clock,
      errors,
      events: recorder,
      savings: new Savings({ mirror: fake.mirror, clock, metrics }),
    }),
    held: new HeldPods(fake.mirror),
    speeds: followSpeeds({ mirror: fake.mirror, clock }),
  })
  const look = () => reconciler.reconcile(podKey)
  return { ...fake, clock, events, refusals, metrics, bodies, lag, placements, look }
}

/** A watch that can stop: the mirror then shows pods as they were, and catches up later. */
class Lag {
  readonly #fake: ReturnType<typeof fakeMirror>
  #version = 1_000
  #isStopped = false
  #unseen: KubeObject[] = []

  constructor(fake: ReturnType<typeof fakeMirror>) {
    this.#fake = fake
  }

  stop(): void {
    this.#isStopped = true
  }

  /** A pod as the API server has it. */
  get(key: ObjectKey): KubeObject | undefined {
    return this.#unseen.findLast(({ metadata }) => metadata.name === key.name) ?? this.#fake.pods.get(key)
  }

  write(pod: KubeObject): KubeObject {
    const resourceVersion = String(++this.#version)
    const written = { ...pod, metadata: { ...pod.metadata, resourceVersion } }
    if (this.#isStopped) this.#unseen.push(written)
    else this.#fake.pods.put(written)
    return written
  }

  catchUp(): void {
    this.#isStopped = false
    this.#fake.pods.put(...this.#unseen.splice(0))
  }
}

/** Strategic merges as far as they are used here: conditions by type, scheduling gates by name; services are replaced. */
function patchingClient(
  fake: ReturnType<typeof fakeMirror>,
  { refusals, bodies, lag }: { refusals: Map<string, number>; bodies: Json[]; lag: Lag },
): KubeClient {
  const patch = async (
    { plural }: Resource,
    key: ObjectKey,
    { body }: PatchBody,
    _options?: WriteOptions,
  ) => {
    const status = refusals.get(plural)
    if (status !== undefined) throw new KubeError(`patch ${plural}`, { status, message: 'refused' })
    // Admission is away: an opt-out restores nothing by itself.
    const answer = plural === 'inferenceservices' ? fake.services.get(key) : undefined
    if (answer !== undefined) return answer
    if (plural === 'datasets') return annotate(fake, key, body)
    bodies.push(body)
    const object = lag.get(key)
    if (object === undefined) throw new KubeError(`patch ${plural}`, { status: 404, message: 'gone' })
    if (stringAt(body, 'metadata', 'uid') !== object.metadata.uid)
      throw new KubeError(`patch ${plural}`, { status: 409, message: 'another uid' })
    return lag.write(patched(object, body))
  }
  const remove = async (_resource: Resource, key: ObjectKey) => fake.pods.drop(key)
  const get = async (_resource: Resource, key: ObjectKey) => fake.services.get(key)
  const replace = async ({ plural }: Resource, service: KubeObject) => {
    const status = refusals.get(plural)
    if (status !== undefined) throw new KubeError(`replace ${plural}`, { status, message: 'refused' })
    fake.services.put(service)
    return service
  }
  return { patch, delete: remove, get, replace } as unknown as KubeClient
}

function annotate({ datasets }: ReturnType<typeof fakeMirror>, key: ObjectKey, body: Json): KubeObject {
  const before = datasets.get(key)
  if (before === undefined) throw new KubeError('patch datasets', { status: 404, message: 'gone' })
  const annotations = { ...before.metadata.annotations, ...stringMapAt(body, 'metadata', 'annotations') }
  const written = { ...before, metadata: { ...before.metadata, annotations } }
  datasets.put(written)
  return written
}

function patched(pod: KubeObject, body: Json): KubeObject {
  const conditions = listAt(body, 'status', 'conditions')
  const gone = listAt(body, 'spec', 'schedulingGates').map((gate) => stringAt(gate, 'name'))
  const gates = listAt(pod, 'spec', 'schedulingGates').filter(
    (gate) => !gone.includes(stringAt(gate, 'name')),
  )
  const spec = { ...objectAt(pod, 'spec'), schedulingGates: gates }
  const status = { ...objectAt(pod, 'status'), ...(conditions.length === 0 ? {} : { conditions }) }
  return { ...pod, spec, status }
}
