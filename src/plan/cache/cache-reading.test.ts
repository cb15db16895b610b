import { expect, test } from 'vitest'
import { asWarmWhenBound } from '../../fluid/dataset.ts'
import { loadName } from '../../fluid/name.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { cacheView, readCache } from './cache-reading.ts'

const key = { namespace: 'models', name: 'bloom' }
const ours = { labels: { 'app.kubernetes.io/managed-by': 'warmgate' } }

const object = (kind: string, status: JsonObject | undefined, metadata = {}): KubeObject => ({
  apiVersion: 'data.fluid.io/v1alpha1',
  kind,
  metadata: { ...key, ...metadata },
  ...(status === undefined ? {} : { status }),
})
const dataset = (status?: JsonObject, metadata = {}) => object('Dataset', status, { ...ours, ...metadata })
const dataLoad = (status?: JsonObject, metadata = {}) => object('DataLoad', status, { ...ours, ...metadata })

interface State {
  dataset: KubeObject | undefined
  dataLoads: KubeObject[]
  loadJobs: KubeObject[]
  runtimes: KubeObject[]
}
const state = (dataset: KubeObject | undefined, dataLoad?: KubeObject, job?: KubeObject): State => ({
  dataset,
  dataLoads: dataLoad === undefined ? [] : [dataLoad],
  loadJobs: job === undefined ? [] : [job],
  runtimes: [],
})

function readAt({ dataset, ...lists }: State, path: string | undefined, nowMs: number) {
  const view = cacheView({ datasets: dataset === undefined ? [] : [dataset], ...lists })
  return readCache(view, { ...key, path }, nowMs)
}
const reading = (of: State) => readAt(of, '', 0)
const phaseOf = (of: State, nowMs = 0) => readAt(of, '', nowMs).phase
const shortfallOf = (of: State, nowMs: number) => readAt(of, '', nowMs).shortfall

const sizes = (cached: string, ufsTotal: string): JsonObject => ({ ufsTotal, cacheStates: { cached } })
const bound = dataset({ phase: 'Bound', ...sizes('1.00GiB', '4.00GiB') })

test('without a Dataset, or with one that is being deleted, there is no cache to serve from', () => {
  const gone = { kind: 'pending', message: 'its Dataset does not exist' }
  const complete = dataLoad({ phase: 'Complete' })
  expect(phaseOf(state(undefined, complete))).toEqual(gone)
  const deleting = dataset({ phase: 'Bound' }, { deletionTimestamp: '2026-11-24T10:00:00Z' })
  const soonGone = { kind: 'pending', message: 'its Dataset is being deleted', untilMs: stuckMs }
  expect(phaseOf(state(deleting, complete))).toEqual(soonGone)
  expect(phaseOf(state(deleting, complete), stuckMs - 1)).toEqual(soonGone)
})

test('a mirror that is being filled: what is waited for, and how long that takes', () => {
  const name = 'bloom-0123456789'
  const made = '2026-01-01T00:00:00Z'
  const [startMs, minuteMs] = [Date.parse(made), 60_000]
  const job = (
    step: 'look' | 'fill',
    status: JsonObject,
    labels: { [name: string]: string } = ours.labels,
  ) => ({
    ...object('Job', status),
    metadata: {
      namespace: 'models',
      name: `${name}-${step}`,
      labels,
      creationTimestamp: made,
      annotations: { 'warmgate.dev/source': 'hf://org/bloom' },
    },
  })
  const ended = (type: string, more = {}) => ({ conditions: [{ type, status: 'True', ...more }] })
  const read = (fillJobs: KubeObject[], datasets: KubeObject[] = []) => {
    const view = cacheView({ datasets, dataLoads: [], loadJobs: [], fillJobs, runtimes: [] })
    const { phase, fillMs } = readCache(view, { ...key, name, path: '' }, startMs + 5 * minuteMs)
    return {
      message: phase.kind === 'warm' || phase.kind === 'warming' ? '' : phase.message,
      kind: phase.kind,
      fillMs,
    }
  }
  const nothing = job('look', ended('Failed', { reason: 'PodFailurePolicy' }))
  const done = { ...ended('Complete'), completionTime: '2026-01-01T00:03:00Z' }
  expect(read([])).toEqual({ kind: 'pending', message: 'its Dataset does not exist', fillMs: 0 })
  expect(read([job('look', {})])).toEqual({
    kind: 'pending',
    message: 'looking for hf://org/bloom in its mirror',
    fillMs: 5 * minuteMs,
  })
  expect(read([nothing, job('fill', {})])).toMatchObject({
    kind: 'pending',
    message: 'downloading hf://org/bloom into its mirror',
  })
  expect(read([nothing, job('fill', ended('Failed', { message: 'too often' }))])).toMatchObject({
    kind: 'failed',
    message: 'the download of hf://org/bloom failed: too often',
  })
  expect(read([nothing, job('fill', done)])).toEqual({
    kind: 'pending',
    message: 'its Dataset does not exist',
    fillMs: 3 * minuteMs,
  })
  const here = dataset({ phase: 'NotBound' }, { name })
  expect(read([nothing, job('fill', done)], [here])).toMatchObject({
    message: 'its Dataset is not Bound yet',
    fillMs: 3 * minuteMs,
  })
  expect(read([job('fill', {}, {})])).toMatchObject({ fillMs: 0 })
})

test('no hold waits longer than a day for a download', () => {
  const fillJobs = [
    {
      ...object('Job', {}),
      metadata: { ...key, name: 'bloom-fill', ...ours, creationTimestamp: '2026-01-01T00:00:00Z' },
    },
  ]
  const view = cacheView({ datasets: [], dataLoads: [], loadJobs: [], fillJobs, runtimes: [] })
  expect(readCache(view, { ...key, path: '' }, Date.parse('2026-02-01T00:00:00Z')).fillMs).toBe(86_400_000)
})

test('a DataLoad of an earlier Dataset with this name does not count', () => {
  const owner = (uid: string) => ({
    ownerReferences: [
      { kind: 'Dataset', uid },
      { kind: 'Other', uid: 'x' },
    ],
  })
  const bound = dataset({ phase: 'Bound' }, { uid: 'd-2' })
  const filled = (uid: string) => object('DataLoad', { phase: 'Complete' }, owner(uid))
  expect(phaseOf(state(bound, filled('d-2')))).toEqual({ kind: 'warm' })
  expect(phaseOf(state(bound, filled('d-1'))).kind).toBe('pending')
})

const stuckMs = Date.UTC(2026, 10, 24, 10, 1)

test('a Dataset that its own pods keep from being deleted serves on, and none of them waits for it for ever', () => {
  const stuck = (status: JsonObject) => dataset(status, { deletionTimestamp: '2026-11-24T10:00:00Z' })
  const bound = stuck({ phase: 'Bound' })
  expect(phaseOf(state(bound, dataLoad({ phase: 'Complete' })), stuckMs)).toEqual({ kind: 'warm' })
  expect(phaseOf(state(bound, dataLoad({ phase: 'Executing' })), stuckMs).kind).toBe('warming')
  for (const hopeless of [state(bound), state(bound, dataLoad({ phase: 'Failed' }))])
    expect(phaseOf(hopeless, stuckMs).kind).toBe('failed')
  expect(phaseOf(state(stuck({ phase: 'NotBound' })), stuckMs)).toEqual({
    kind: 'failed',
    message: 'its Dataset is being deleted, and kept by what uses it: its Dataset is not Bound yet',
  })
})

test.each([undefined, '', 'NotBound', 'Pending', 'Failed', 'Updating', 'DataMigrating'])(
  'a Dataset of phase %j is not Bound, whatever its DataLoad says',
  (phase) => {
    const status = phase === undefined ? undefined : { phase }
    expect(phaseOf(state(dataset(status), dataLoad({ phase: 'Pending' })))).toEqual({
      kind: 'pending',
      message: 'its Dataset is not Bound yet',
    })
  },
)

test('the reason why a Dataset is not Bound is reported', () => {
  const conditions = [
    { type: 'Ready', status: 'False', message: 'no' },
    { type: 'NotReady', status: 'True', message: 'Secret gone' },
  ]
  expect(phaseOf(state(dataset({ phase: 'NotBound', conditions })))).toEqual({
    kind: 'pending',
    message: 'its Dataset is not Bound: Secret gone',
  })
})

test('a cache that another controller suspends is pending, with the name of the queue', () => {
  const labels = { release: 'bloom' }
  const pod = object('Pod', undefined, { name: 'bloom-worker-0', labels })
  const gated = { ...pod, spec: { schedulingGates: [{ name: 'example.com/gate' }] } }
  const view = (phase: string) => ({
    ...state(dataset({ phase }), dataLoad({ phase: 'Executing' }, { uid: 'load' })),
    gatedPods: [gated],
  })
  expect(phaseOf(view('NotBound'))).toEqual({
    kind: 'pending',
    message: 'its pod bloom-worker-0 is not scheduled: it has the gate example.com/gate',
    suspendedSinceMs: 0,
  })
  expect(phaseOf(view('Bound')).kind).toBe('warming')
  const owner = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'DataLoad', name: 'bloom', uid: 'load' }
  const job = object('Job', {}, { name: 'bloom-loader-job', ownerReferences: [owner] })
  const suspended = { ...view('Bound'), loadJobs: [{ ...job, spec: { suspend: true } }] }
  expect(phaseOf(suspended)).toMatchObject({ kind: 'pending', message: 'its loading Job is suspended' })
})

test('Bound is judged by the phase: Fluid’s Ready condition is False after an update that went well', () => {
  const conditions = [{ type: 'Ready', status: 'False' }]
  expect(phaseOf(state(dataset({ phase: 'Bound', conditions }), dataLoad({ phase: 'Complete' })))).toEqual({
    kind: 'warm',
  })
})

test('Bound is not warm', () => {
  const pending = { kind: 'pending', message: 'its warm-up has not begun' }
  expect(phaseOf(state(bound))).toEqual(pending)
  // As it stays for ever where the DataLoad names no namespace.
  expect(phaseOf(state(bound, dataLoad()))).toEqual(pending)
  expect(phaseOf(state(bound, dataLoad({ phase: '' })))).toEqual(pending)
})

test.each(['Pending', 'Executing'])('a DataLoad that is %s warms, and says how far it is', (phase) => {
  expect(phaseOf(state(bound, dataLoad({ phase })))).toEqual({
    kind: 'warming',
    progress: { cachedBytes: 2 ** 30, totalBytes: 4 * 2 ** 30, copies: 1 },
  })
})

const see = ' (see kubectl logs -n models job/bloom-loader-job)'

test('a failed DataLoad is final, and says why where it knows', () => {
  expect(
    phaseOf(state(bound, dataLoad({ phase: 'Failed', conditions: [{ message: 'no such bucket' }] }))),
  ).toEqual({
    kind: 'failed',
    message: `no such bucket${see}`,
  })
  for (const conditions of [[], [{}], [{ message: '' }]]) {
    expect(phaseOf(state(bound, dataLoad({ phase: 'Failed', conditions })))).toEqual({
      kind: 'failed',
      message: `the DataLoad failed${see}`,
    })
  }
})

const failed = (retry: number, limit: number) => {
  const annotations = { 'warmgate.dev/retries': `${retry}`, 'warmgate.dev/retry-limit': `${limit}` }
  return dataLoad({ phase: 'Failed', conditions: [{ message: 'no such bucket' }] }, { annotations })
}

test('a failed DataLoad that is tried again is not final; its own number counts, not that of its Dataset', () => {
  const counted = { ...bound, metadata: { ...bound.metadata, annotations: { 'warmgate.dev/retries': '2' } } }
  expect(phaseOf(state(counted, failed(1, 2)))).toEqual({
    kind: 'pending',
    message: `its warm-up failed and is tried again: no such bucket${see}`,
  })
  expect(phaseOf(state(counted, failed(2, 2)))).toEqual({ kind: 'failed', message: `no such bucket${see}` })
})

const uid = 'load-uid'
const running = object('DataLoad', { phase: 'Executing' }, { uid })
const doneJob = (owner: string): KubeObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: {
    ...key,
    name: 'bloom-loader-job',
    ownerReferences: [{ apiVersion: 'data.fluid.io/v1alpha1', kind: 'DataLoad', name: 'bloom', uid: owner }],
  },
  status: { conditions: [{ type: 'Complete', status: 'True' }] },
})

test('a done Job counts before Fluid reads it; a Job of an earlier DataLoad does not count', () => {
  expect(phaseOf(state(bound, running, doneJob(uid)))).toEqual({ kind: 'warm' })
  expect(phaseOf(state(bound, running, doneJob('earlier'))).kind).toBe('warming')
  expect(phaseOf(state(bound, undefined, doneJob(uid))).kind).toBe('pending')
})

test('a cache that is loaded again is not warm: its old DataLoad is being deleted', () => {
  const deletionTimestamp = '2026-11-24T10:00:00Z'
  const old = object('DataLoad', { phase: 'Complete' }, { deletionTimestamp })
  expect(phaseOf(state(bound, old)).kind).toBe('pending')
})

const lost = 'its Dataset is not Bound any more: its workers are gone'

test('a warm cache that lost its workers is reported', () => {
  const complete = dataLoad({ phase: 'Complete' })
  expect(phaseOf(state(dataset({ phase: 'Failed' }), complete))).toEqual({
    kind: 'pending',
    message: lost,
  })
})

const ended = '2026-11-25T10:00:00Z'
const endedMs = Date.parse(ended)
const loaded = dataLoad({
  phase: 'Complete',
  conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: ended }],
})
const holding = (cached: string, total: string, cacheCapacity?: string) =>
  dataset({
    phase: 'Bound',
    ufsTotal: total,
    cacheStates: { cached, ...(cacheCapacity && { cacheCapacity }) },
  })
const later = endedMs + 120_000

test('evictions and lack of room are reported once Fluid’s numbers are newer than the warm-up', () => {
  const evicted = state(holding('1.00GiB', '4.00GiB', '8.00GiB'), loaded)
  expect(shortfallOf(evicted, later)).toEqual({
    reason: 'CacheEvicted',
    message: 'it holds 1 GiB of 4 GiB: the rest was evicted, or lost with a worker',
  })
  expect(shortfallOf(evicted, later - 1)).toBeUndefined()
  expect(shortfallOf(state(holding('2.00GiB', '4.00GiB', '2.00GiB'), loaded), later)).toEqual({
    reason: 'CacheTooSmall',
    message: 'it holds 2 GiB of 4 GiB: there is room for 2 GiB',
  })
  expect(shortfallOf(state(dataset({ phase: 'NotBound' }), loaded), endedMs)).toEqual({
    reason: 'CacheLost',
    message: lost,
  })
})

test('a cache without room for its model is reported before it is filled, once its workers are ready', () => {
  const runtime = (workerNumberReady: number) =>
    object('JindoRuntime', { workerNumberReady, desiredWorkerNumberScheduled: 2 }, { ...ours })
  const small = state(holding('0.00B', '141.00GiB', '100.00GiB'), dataLoad({ phase: 'Executing' }))
  const its = (workers: number, of = small) =>
    shortfallOf({ ...of, runtimes: [{ ...runtime(workers), spec: { replicas: 2 } }] }, endedMs)
  expect(its(2)).toEqual({
    reason: 'CacheTooSmall',
    message:
      'its model is 141 GiB, and it has room for 100 GiB: give it more workers (cache.maxReplicas, cache.replicas), or a larger quota',
  })
  expect(its(1)).toBeUndefined()
  expect(its(2, state(holding('0.00B', '99.00GiB', '100.00GiB'), dataLoad()))).toBeUndefined()
})

test.each([
  ['nearly all of it', state(holding('3.81GiB', '4.00GiB'), loaded)],
  ['more than all of it', state(holding('8.00GiB', '4.00GiB'), loaded)],
  ['an unknown total', state(holding('1.00GiB', '[Calculating]'), loaded)],
  ['an unknown content', state(holding('N/A', '4.00GiB'), loaded)],
  ['a warm-up that goes on', state(holding('1.00GiB', '4.00GiB'), running)],
  [
    'a warm-up that ended nobody knows when',
    state(holding('1.00GiB', '4.00GiB'), dataLoad({ phase: 'Complete' })),
  ],
  ['no Dataset', state(undefined, loaded)],
])('nothing is known to be missing from %s', (_, cache) => {
  expect(shortfallOf(cache, later)).toBeUndefined()
})

test('a cache of a runtime without DataLoads is warm once it is Bound', () => {
  const thin = asWarmWhenBound({ ...bound, status: { phase: 'NotBound' } })
  expect(phaseOf(state(thin)).kind).toBe('pending')
  expect(phaseOf(state(asWarmWhenBound(bound)))).toEqual({ kind: 'warm' })
})

const teamLoad = (phase: string, name = 'load') => ({
  ...object('DataLoad', { phase }, { name }),
  spec: { dataset: key },
})

test.each<[string, KubeObject[], string]>([
  ['that nothing fills ahead', [], 'warm'],
  ['that is being filled', [teamLoad('Executing')], 'warming'],
  ['that is about to be', [teamLoad('')], 'pending'],
  ['that has been', [teamLoad('Failed'), teamLoad('Complete', 'other')], 'warm'],
  ['that was, and is again', [teamLoad('Executing'), teamLoad('Complete', 'other')], 'warm'],
  ['that could not be, and is tried again', [teamLoad('Failed'), teamLoad('Executing', 'other')], 'warming'],
  ['that could not be', [teamLoad('Failed')], 'warm'],
])('a Dataset of a team’s own %s', (_, dataLoads, kind) => {
  const team = (phase: string) => ({ ...state(object('Dataset', { phase })), dataLoads })
  expect(phaseOf(team('Bound')).kind).toBe(kind)
  expect(phaseOf(team('NotBound')).kind).toBe('pending')
})

const part = (path: string, status: JsonObject, more: Partial<KubeObject> = {}) => ({
  ...dataLoad(status, { name: loadName(key.name, path) }),
  spec: { dataset: key, target: [{ path: `/${path}` }] },
  ...more,
})

test.each<[string, KubeObject[], string]>([
  ['have all been loaded', [part('a', { phase: 'Complete' }), part('b', { phase: 'Complete' })], 'warm'],
  [
    'are still being loaded',
    [part('a', { phase: 'Complete' }), part('b', { phase: 'Executing' })],
    'warming',
  ],
  ['wait for one of them', [part('a', { phase: 'Complete' }), part('b', { phase: '' })], 'pending'],
  ['miss one', [part('a', { phase: 'Executing' }), part('b', { phase: 'Failed' })], 'failed'],
  ['are none', [], 'pending'],
  [
    'have all been loaded, and are loaded again and again',
    [
      part('a', { phase: 'Complete' }),
      {
        ...part('a', { phase: 'Executing' }, { spec: { dataset: key, policy: 'Cron' } }),
        metadata: { ...key, ...ours, name: 'cron' },
      },
      part('b', { phase: 'Executing' }, { spec: { dataset: { ...key, name: 'other' } } }),
    ],
    'warm',
  ],
])('the whole of a cache is what all of its models are: they %s', (_, dataLoads, kind) => {
  expect(readAt({ ...state(bound), dataLoads }, undefined, 0).phase.kind).toBe(kind)
})

test('a model that lacks something is what the whole cache lacks', () => {
  const dataLoads = [part('a', { phase: 'Complete' }), part('b', { phase: 'Complete' })]
  const runtimes = [dataset({ workerNumberReady: 1, desiredWorkerNumberScheduled: 2 })]
  const whole = readAt({ ...state(bound), dataLoads, runtimes }, undefined, 0)
  expect(whole).toMatchObject({ phase: { kind: 'warm' }, shortfall: { reason: 'CacheDegraded' } })
})

test('a reference to itself, or to what is not there, ends', () => {
  const refersTo = (mountPoint: string) => ({ ...asWarmWhenBound(bound), spec: { mounts: [{ mountPoint }] } })
  for (const there of ['models/bloom', 'shared/gone'])
    expect(phaseOf(state(refersTo(`dataset://${there}`))).kind).toBe('warm')
})

test('the remains of a disabled warm-up do not count', () => {
  const annotations = { 'warmgate.dev/warm-when': 'Bound' }
  const left = reading(state({ ...bound, metadata: { ...bound.metadata, annotations } }, failed(0, 3)))
  expect(left).toMatchObject({ phase: { kind: 'warm' }, dataLoad: undefined, warmup: undefined })
})

test('a cache with workers that are not ready is degraded, whatever Fluid reports as cached', () => {
  const workers = (ready: number | undefined, wanted: number) => ({
    ...state(holding('4.00GiB', '4.00GiB'), loaded),
    runtimes: [dataset({ workerNumberReady: ready, desiredWorkerNumberScheduled: wanted })],
  })
  const nowMs = Date.parse(ended)
  expect(shortfallOf(workers(2, 3), nowMs)).toEqual({
    reason: 'CacheDegraded',
    message: '2 of 3 workers are ready: the data of the others is read from the source',
  })
  expect(shortfallOf(workers(undefined, 1), nowMs)?.message).toMatch(/^0 of 1 workers are ready: /)
  expect(shortfallOf(workers(3, 3), nowMs)).toBeUndefined()
  expect(shortfallOf(workers(undefined, 0), nowMs)).toBeUndefined()
})
