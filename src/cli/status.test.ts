import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, fakePod } from '../cluster/cluster.fake.ts'
import { loadName } from '../fluid/name.ts'
import { FakeApi } from '../kube/api.fake.ts'
import { fakeService } from '../plan/plan.fake.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type KubeObject, keyOf } from '../values/object.ts'
import { runStatus } from './status.ts'

const filling = (cached: string) =>
  fakeDataset({ phase: 'Bound', ufsTotal: '10.00GiB', cacheStates: { cached } })
const recorded = (cache: string, path?: string) =>
  JSON.stringify({ locations: { predictor: { uri: 's3://models/llama', cache, path } } })
const service = fakeService({}, { annotations: { 'warmgate.dev/original': recorded(cacheName) } })

function told(pod: KubeObject): KubeObject {
  const condition = { type: 'warmgate.dev/cache-warm', status: 'False', message: `warming ${cacheName}` }
  return { ...pod, status: { conditions: [condition] } }
}

function setUp(...objects: KubeObject[]) {
  const api = new FakeApi()
  api.missing.add('llminferenceservices')
  api.put(...objects)
  const clock = new FakeClock()
  const ending = new AbortController()
  let text = ''
  const stdout = { write: (more: string) => (text += more) }
  const run = (watch = false, namespace?: string) =>
    runStatus({ client: api, clock, namespace, watch, signal: ending.signal }, { stdout })
  return { api, clock, ending, run, text: () => text }
}

test('a cache that is filling: for whom, how far, and who waits', async () => {
  const pod = told(fakePod({ createdMs: Date.UTC(2029, 11, 31, 23, 58) }))
  const { run, text } = setUp(service, filling('6.20GiB'), fakeDataLoad('Executing'), pod)
  expect(await run()).toBe(0)
  expect(text()).toBe(
    `models/${cacheName}  for InferenceService/llama
  [############........] 62 % of 10 GiB
  held for 2m: pod llama-0: warming ${cacheName}
`,
  )
})

test.each([
  ['warm', 'Complete', { phase: 'Bound' }],
  ['pending: its Dataset is not Bound yet', 'Executing', { phase: 'NotBound' }],
  ['failed: the DataLoad failed', 'Failed', { phase: 'Bound' }],
  ['warming: Fluid does not report progress yet', 'Executing', { phase: 'Bound', ufsTotal: '[Calculating]' }],
])('a cache that is %s', async (words, phase, status) => {
  const { run, text } = setUp(fakeDataset(status), fakeDataLoad(phase))
  await run()
  expect(text()).toBe(`models/${cacheName}  used by no service\n  ${words}\n`)
})

test('shows everything that held pods wait for, even without a Dataset, or with a team’s Dataset', async () => {
  const { metadata, ...theirs } = fakeDataset({ phase: 'NotBound' }, 'corpus')
  const { run, text } = setUp(
    { ...theirs, metadata: { ...metadata, labels: {} } },

    told(fakePod({ createdMs: Date.UTC(2029, 11, 31, 23, 59) })),
    fakePod({ name: 'theirs-0', claims: ['corpus', 'scratch'], createdMs: Date.UTC(2029, 11, 31) }),
  )
  await run()
  expect(text()).toBe(
    `models/${cacheName}  used by no service
  pending: its Dataset does not exist
  held for 1m: pod llama-0: warming ${cacheName}

models/corpus  used by no service
  pending: its Dataset is not Bound yet
  a Dataset of a team: the team loads and deletes it
  held for 24h: pod theirs-0: no status yet: is Warmgate running?
`,
  )
})

test('shows an unavailable worker', async () => {
  const conditions = [{ type: 'Complete', status: 'True', lastTransitionTime: '2029-01-01T00:00:00Z' }]
  const { run, text } = setUp(filling('10.00GiB'), fakeDataLoad('Complete', cacheName, { conditions }), {
    ...fakeDataset({ workerNumberReady: 1, desiredWorkerNumberScheduled: 3 }),
    kind: 'AlluxioRuntime',
  })
  await run()
  expect(text()).toContain(
    '  warm, but 1 of 3 workers is ready: the data of the others is read from the source\n',
  )
})

test('shows evicted data; says if there are no caches; lists only the given namespace', async () => {
  const conditions = [{ type: 'Complete', status: 'True', lastTransitionTime: '2029-01-01T00:00:00Z' }]
  const evicted = setUp(filling('6.00GiB'), fakeDataLoad('Complete', cacheName, { conditions }))
  await evicted.run()
  expect(evicted.text()).toContain('  warm, but it holds 6 GiB of 10 GiB: the rest was evicted\n')
  const empty = setUp()
  await empty.run(false, 'team-a')
  expect(empty.text()).toBe('no caches\n')
  expect(new Set(empty.api.calls.map(({ key }) => key.namespace))).toEqual(new Set(['team-a']))
})

test('--watch repeats, shows the remaining time, and ends when interrupted', async () => {
  const { api, run, text, clock, ending } = setUp(filling('5.00GiB'), fakeDataLoad('Executing'))
  const ended = run(true)
  await clock.advance(0)
  api.put(filling('5.11GiB'))
  await clock.advance(2_000)
  expect(text().split('\x1b[2J')).toHaveLength(3)
  expect(text()).toContain('51 % of 10 GiB, about 1 min left')
  ending.abort()
  expect(await ended).toBe(0)
})

test('a cache that no service uses says until when it is retained', async () => {
  const { metadata, ...rest } = fakeDataset()
  const annotations = { 'warmgate.dev/retained-until': '2030-01-02T00:00:00Z' }
  const kept = { ...rest, metadata: { ...metadata, annotations } }
  const { api, run, text } = setUp(kept, fakeDataLoad('Complete'))
  await run()
  expect(text()).toBe(
    `models/${cacheName}  used by no service, retained until 2030-01-02T00:00:00Z\n  warm\n`,
  )
  api.put(service)
  await run()
  expect(text()).toContain(`models/${cacheName}  for InferenceService/llama\n  warm\n`)
})

test('a cache that is being deleted, or is not what its policy asks for, says why', async () => {
  const { metadata, ...rest } = fakeDataset()
  const annotations = { 'warmgate.dev/outdated': 'JindoRuntime spec.tieredstore.levels' }
  const deletionTimestamp = '2029-12-31T23:00:00Z'
  const stuck = { ...rest, metadata: { ...metadata, annotations, deletionTimestamp } }
  const pods = [fakePod()]
  const { run, text } = setUp(stuck, fakeDataLoad('Complete'), ...pods)
  await run()
  expect(text()).toContain(`  warm
  Dataset ${cacheName} has been terminating since ${deletionTimestamp}: Fluid keeps it while pods mount it (llama-0).`)
  expect(text()).toContain('it lacks JindoRuntime spec.tieredstore.levels until it is created again')
})

test('shows each model of a cache with many models', async () => {
  const part = (path: string, phase: string) => ({
    ...fakeDataLoad(phase, loadName(cacheName, path)),
    spec: { dataset: { name: cacheName, namespace: 'models' }, target: [{ path: `/${path}` }] },
  })
  const other = fakeService(
    {},
    { name: 'bloom', annotations: { 'warmgate.dev/original': recorded(cacheName, 'bloom') } },
  )
  const { run, text } = setUp(
    other,
    filling('6.20GiB'),
    part('bloom', 'Executing'),
    part('llama', 'Complete'),
  )
  await run()
  expect(text()).toBe(`models/${cacheName}/bloom  for InferenceService/bloom
  warming: Fluid does not report progress yet

models/${cacheName}/llama  used by no service
  warm
`)
})

test('shows a team’s Dataset if a service uses it', async () => {
  const team = { ...filling('6.20GiB'), metadata: { name: 'team', namespace: 'models' } }
  const spec = { dataset: { name: 'team', namespace: 'models' }, target: [{ path: '/llama' }] }
  const load = {
    ...fakeDataLoad('Executing', 'team-load'),
    metadata: { name: 'team-load', namespace: 'models' },
    spec,
  }
  const locations = { predictor: { uri: 's3://models/llama', cache: 'team', path: 'llama', existing: true } }
  const annotations = { 'warmgate.dev/original': JSON.stringify({ locations }) }
  const { run, text } = setUp(
    fakeService({}, { annotations }),
    team,
    { ...team, metadata: { ...team.metadata, name: 'unused' } },
    load,
  )
  await run()
  expect(text()).toContain('models/team/llama  for InferenceService/llama\n  warming')
  expect(text()).toContain('the team loads and deletes it')
  expect(text()).not.toContain('unused')
})

test('a reference has the phase of its Dataset, if that is among the requested objects', async () => {
  const there = { namespace: 'shared', name: 'all' }
  const bound = fakeDataset({ phase: 'Bound' })
  const reference = {
    ...bound,
    metadata: { ...bound.metadata, annotations: { 'warmgate.dev/warm-when': 'Bound' } },
    spec: { mounts: [{ mountPoint: 'dataset://shared/all/llama' }] },
  }
  const load = {
    ...fakeDataLoad('Executing'),
    metadata: { name: 'load', namespace: 'shared' },
    spec: { dataset: there, target: [{ path: '/llama' }] },
  }
  const told = async (datasets: KubeObject[]) => {
    const { run, text } = setUp(service, ...datasets, load)
    await run()
    return text()
  }
  const all = [reference, { ...bound, metadata: there }]
  expect(await told(all)).toContain(`models/${cacheName}  for InferenceService/llama\n  warming`)
  expect(await told([reference])).toContain(`models/${cacheName}  for InferenceService/llama\n  warm\n`)
})

test('an unreadable cache does not hide the others', async () => {
  const odd = fakeDataset({}, 'odd-0123456789')
  const it = setUp(odd, filling('5.00GiB'), fakeDataLoad('Executing'))
  it.api.spoil('Dataset', keyOf(odd), 'status')
  expect(await it.run()).toBe(0)
  expect(it.text()).toContain('failed: it cannot be read: odd')
  expect(it.text()).toContain('50 % of 10 GiB')
})

test('the content of objects cannot move the cursor, change colors or forge a line', async () => {
  const evil = '\u001b[2J\u009b31m\nmodels/forged  for InferenceService/x\u202e'
  const dataset = fakeDataset({ phase: 'Failed', conditions: [{ message: evil, reason: evil }] })
  const annotations = { 'warmgate.dev/outdated': evil, 'warmgate.dev/retained-until': evil }
  const condition = { type: 'warmgate.dev/cache-warm', status: 'False', message: evil }
  const it = setUp(
    { ...dataset, metadata: { ...dataset.metadata, annotations } },
    fakeDataLoad('Failed', cacheName, { conditions: [{ message: evil }] }),
    { ...fakePod({ name: `llama-${evil}` }), status: { conditions: [condition] } },
  )
  await it.run()
  expect(it.text()).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
  expect(it.text()).not.toMatch(/^models\/forged/m)
  expect(it.text()).toContain('\\u001b[2J')
})
