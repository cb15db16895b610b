import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, fakePod } from '../cluster/cluster.fake.ts'
import { statusOf } from '../cluster/status.ts'
import { fakeFilled } from '../fill/fill.fake.ts'
import { fillJob } from '../fill/job.ts'
import { loadName } from '../fluid/name.ts'
import { FakeApi } from '../kube/api.fake.ts'
import { fakeService } from '../plan/plan.fake.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type KubeObject, keyOf } from '../values/object.ts'
import { formatCaches } from './status/render.ts'
import { readStatus, runStatus, type StatusOptions } from './status.ts'
import type { Output } from './terminal.ts'

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
  const stdout: Output = { write: (more: string) => (text += more) }
  const base = { client: api, clock, namespace: undefined, signal: ending.signal }
  /** A block for each cache, as `warmgate status` prints them for one service. */
  const run = async (namespace?: string) => {
    text += formatCaches(statusOf(await readStatus({ ...base, namespace }), clock.now()))
  }
  const status = (options: Partial<StatusOptions> = {}) =>
    runStatus({ ...base, output: 'table', watch: false, ...options }, { stdout })
  return { api, clock, ending, run, status, stdout, text: () => text }
}

test('a cache that is filling: for whom, how far, and who waits', async () => {
  const pod = told(fakePod({ createdMs: Date.UTC(2029, 11, 31, 23, 58) }))
  const { run, text } = setUp(service, filling('6.20GiB'), fakeDataLoad('Executing'), pod)
  await run()
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
  [
    'failed: the DataLoad failed (see kubectl logs -n models job/llama-0123456789-loader-job)',
    'Failed',
    { phase: 'Bound' },
  ],
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
  expect(evicted.text()).toContain(
    '  warm, but it holds 6 GiB of 10 GiB: the rest was evicted, or lost with a worker\n',
  )
  const empty = setUp()
  await empty.run('team-a')
  expect(empty.text()).toBe('no caches\n')
  expect(new Set(empty.api.calls.map(({ key }) => key.namespace))).toEqual(new Set(['team-a']))
})

test('a cache that a policy warms ahead of services names the policy', async () => {
  const { metadata, ...rest } = fakeDataset()
  const owner = (apiVersion: string, kind: string, name: string) => ({ apiVersion, kind, name, uid: name })
  const policy = owner('warmgate.dev/v1alpha1', 'AccelerationPolicy', 'models')
  const owned = (...ownerReferences: object[]) =>
    ({ ...rest, metadata: { ...metadata, ownerReferences } }) as KubeObject
  const ahead = setUp(owned(policy), fakeDataLoad('Complete'))
  await ahead.run()
  expect(ahead.text()).toBe(`models/${cacheName}  warmed ahead by AccelerationPolicy models\n  warm\n`)
  // A policy that retains a cache owns it beside its services.
  const service = owner('serving.kserve.io/v1beta1', 'InferenceService', 'llama')
  const used = setUp(owned(service, policy), fakeDataLoad('Complete'))
  await used.run()
  expect(used.text()).not.toContain('warmed ahead')
})

test('a model that is downloaded ahead of services is shown before it has a Dataset', async () => {
  const made = fillJob(fakeFilled())
  const ownerReferences = [
    { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy', name: 'models', uid: 'p' },
  ]
  const job: KubeObject = { ...made, metadata: { ...made.metadata, ownerReferences } }
  const running = setUp(job)
  await running.run()
  expect(running.text()).toBe(
    'models/bloom-0123456789  warmed ahead by AccelerationPolicy models\n  pending: downloading hf://org/bloom into its mirror\n',
  )
  const ended = setUp({ ...job, status: { conditions: [{ type: 'Complete', status: 'True' }] } })
  await ended.run()
  expect(ended.text()).toBe('no caches\n')
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
  await it.run()
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

const other = fakeService(
  {},
  { name: 'bloom', annotations: { 'warmgate.dev/original': recorded('bloom-0123456789') } },
)
const warmOther = [
  fakeDataset({ phase: 'Bound' }, 'bloom-0123456789'),
  fakeDataLoad('Complete', 'bloom-0123456789'),
]
const plainService = fakeService({}, { name: 'plain' })
const held = () => told(fakePod({ createdMs: Date.UTC(2029, 11, 31, 23, 58) }))
const everything = () => [
  ...[service, other, plainService, filling('6.20GiB'), fakeDataLoad('Executing'), held(), ...warmOther],
  fakeDataset({ phase: 'Bound' }, 'unused-0123456789'),
]

test('table: services, phases, progress, who waits, and what is next', async () => {
  const { status, text } = setUp(...everything())
  expect(await status()).toBe(0)
  expect(text()).toBe(`NAMESPACE  SERVICE  PHASE    PROGRESS                      HELD  NEXT
models     bloom    Warm     [####################] 100 %  0
models     llama    Warming  [############........]  62 %  1     62 % of 10 GiB, then its pod is released

1 more use no cache: their Events, or warmgate plan, say why

Other caches:
models/unused-0123456789  used by no service
  pending: its warm-up has not begun
`)
})

test('wide: the kind, the caches, and how long the first pod waits', async () => {
  const { status, text } = setUp(service, filling('6.20GiB'), fakeDataLoad('Executing'), held())
  expect(await status({ output: 'wide' })).toBe(0)
  expect(text().split('\n')[0]).toMatch(/HELD +KIND +CACHES +LONGEST HOLD +NEXT$/)
  expect(text()).toMatch(/ 1 +InferenceService +llama-0123456789 +2m +62 % of 10 GiB/)
})

test('json: services with their caches and held pods, and what else is there', async () => {
  const { status, text } = setUp(...everything())
  expect(await status({ output: 'json' })).toBe(0)
  const { services, others, servicesWithoutCache } = JSON.parse(text())
  expect(services.map(({ name, phase }: { name: string; phase: string }) => [name, phase])).toEqual([
    ['bloom', 'warm'],
    ['llama', 'warming'],
  ])
  expect(services[1]).toMatchObject({
    kind: 'InferenceService',
    caches: [
      { name: cacheName, phase: { kind: 'warming', progress: { totalBytes: 10 * 2 ** 30, copies: 1 } } },
    ],
    held: [{ name: 'llama-0', forMs: 120_000 }],
    next: '62 % of 10 GiB, then its pod is released',
  })
  expect([others.length, servicesWithoutCache]).toEqual([1, 1])
})

test('one service: a block for each cache; one that is not there has status 1', async () => {
  const one = setUp(...everything())
  expect(await one.status({ service: 'llama', namespace: 'models' })).toBe(0)
  expect(one.text()).toBe(`InferenceService models/llama: Warming, 62 % of 10 GiB, then its pod is released

models/${cacheName}  for InferenceService/llama
  [############........] 62 % of 10 GiB
  held for 2m: pod llama-0: warming ${cacheName}
`)
  for (const name of ['gone', 'plain']) {
    const none = setUp(...everything())
    expect(await none.status({ service: name, namespace: 'models' })).toBe(1)
    expect(none.text()).toMatch(new RegExp(`^models/${name} does not exist, or uses no cache: .*\n$`))
  }
})

test('by label: the services that it selects', async () => {
  const labelled = { ...other, metadata: { ...other.metadata, labels: { team: 'a' } } }
  const { status, text } = setUp(
    service,
    filling('1.00GiB'),
    fakeDataLoad('Executing'),
    labelled,
    ...warmOther,
  )
  await status({ selector: 'team=a' })
  expect(text()).toContain('bloom')
  expect(text()).not.toContain('llama')
})

test('nothing there is said', async () => {
  const { status, text } = setUp()
  expect(await status()).toBe(0)
  expect(text()).toBe('no service uses a cache\n')
})

test('what is next: a failure, a release, an eviction, several pods', async () => {
  const nextOf = async (...objects: KubeObject[]) => {
    const { status, text } = setUp(service, ...objects)
    await status({ output: 'json' })
    const [first] = JSON.parse(text()).services
    return [first.phase, first.next]
  }
  const two = [held(), told(fakePod({ name: 'llama-1' }))]
  const complete = fakeDataLoad('Complete')
  expect(await nextOf(filling('1.00GiB'), fakeDataLoad('Executing'), ...two)).toEqual([
    'warming',
    '10 % of 10 GiB, then 2 pods are released',
  ])
  expect(await nextOf(fakeDataset(), complete, held())).toEqual(['warm', 'releasing 1 pod'])
  expect(await nextOf(fakeDataset(), complete)).toEqual(['warm', ''])
  expect(await nextOf(fakeDataset(), fakeDataLoad('Failed'))).toEqual([
    'failed',
    'the DataLoad failed (see kubectl logs -n models job/llama-0123456789-loader-job)',
  ])
  expect(await nextOf(held())).toEqual(['pending', 'its Dataset does not exist'])
})

test('--watch in a pipe: a line for each change, with the time, and no escape sequences', async () => {
  const { api, status, text, clock, ending } = setUp(service, filling('5.00GiB'), fakeDataLoad('Executing'))
  const ended = status({ watch: true })
  await clock.advance(0)
  await clock.advance(2_000)
  api.put(filling('5.11GiB'))
  await clock.advance(2_000)
  api.drop('InferenceService', keyOf(service))
  await clock.advance(2_000)
  ending.abort()
  expect(await ended).toBe(0)
  expect(text()).toBe(`00:00:00 InferenceService models/llama: warming: 50 % of 10 GiB
00:00:04 InferenceService models/llama: warming: 51 % of 10 GiB, about 3 min left
00:00:06 cache models/${cacheName}: warming
00:00:06 InferenceService models/llama: gone
`)
})

test('--watch -o json: a document a line, whenever something changed', async () => {
  const { api, status, text, clock, ending } = setUp(service, filling('5.00GiB'), fakeDataLoad('Executing'))
  const ended = status({ watch: true, output: 'json' })
  for (const _ of Array(3)) await clock.advance(2_000)
  api.put(filling('6.00GiB'))
  await clock.advance(2_000)
  ending.abort()
  await ended
  const documents = text().trimEnd().split('\n')
  expect(documents.map((line) => JSON.parse(line).services[0].caches[0].phase.progress.cachedBytes)).toEqual([
    5 * 2 ** 30,
    6 * 2 ** 30,
  ])
})

test('--watch in a terminal: a screen that is drawn again when it is resized, and left as it was', async () => {
  const { api, status, text, clock, ending, stdout } = setUp(...everything())
  const listeners = new Set<() => void>()
  const size = { columns: 40, rows: 6 }
  Object.assign(stdout, {
    isTTY: true,
    on: (_: string, listener: () => void) => listeners.add(listener),
    off: (_: string, listener: () => void) => listeners.delete(listener),
  })
  Object.defineProperties(stdout, { columns: { get: () => size.columns }, rows: { get: () => size.rows } })
  const ended = status({ watch: true })
  await clock.advance(0)
  const screens = () => text().split('\x1b[H\x1b[2J').slice(1)
  const plain = (screen = '') => stripVTControlCharacters(screen).trimEnd().split('\n')
  expect(plain(screens()[0])).toEqual([
    'warmgate status  all namespaces  00:00:…',
    '',
    'NAMESPACE  SERVICE  PHASE    PROGRESS  …',
    'models     bloom    Warm     [#########…',
    '… 7 more lines',
  ])
  expect(screens()[0]).toContain('\x1b[32mWarm\x1b[39m')
  Object.assign(size, { columns: 120, rows: 40 })
  for (const resized of listeners) resized()
  expect(plain(screens()[1])).toContain(
    'models     llama    Warming  [############........]  62 %  1     62 % of 10 GiB, then its pod is released',
  )
  api.put(filling('7.00GiB'))
  await clock.advance(2_000)
  expect(screens()).toHaveLength(3)
  expect(plain(screens()[2])[0]).toContain('00:00:02 UTC')
  ending.abort()
  expect(await ended).toBe(0)
  expect(listeners.size).toBe(0)
  expect(text().startsWith('\x1b[?1049h\x1b[?25l')).toBe(true)
  expect(text().split('\x1b[?25h\x1b[?1049l')[1]).toMatch(/^NAMESPACE .*70 %/s)
})

test('--watch in a terminal survives a call that fails, and says so until one succeeds', async () => {
  const { api, status, text, clock, ending, stdout } = setUp(...everything())
  Object.assign(stdout, { isTTY: true, columns: 200, rows: 40 })
  const ended = status({ watch: true })
  await clock.advance(0)
  const screen = () => stripVTControlCharacters(text().split('\x1b[H\x1b[2J').at(-1) ?? '')
  api.fail('list Dataset', 500, 2)
  for (const _ of Array(2)) {
    await clock.advance(2_000)
    expect(screen().match(/not up to date: list Dataset/g)).toHaveLength(1)
    expect(screen()).toContain('models     llama ')
  }
  await clock.advance(2_000)
  expect(screen()).not.toContain('not up to date')
  ending.abort()
  await ended
  const dead = setUp()
  Object.assign(dead.stdout, { isTTY: true })
  dead.api.fail('list Dataset', 500)
  await expect(dead.status({ watch: true })).rejects.toThrow('list Dataset')
  expect(dead.text().endsWith('\x1b[?25h\x1b[?1049l')).toBe(true)
})
