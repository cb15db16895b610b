import { expect, test } from 'vitest'
import { FakeApi } from '../kube/api.fake.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type JsonObject, type KubeObject, stringAt } from '../values/object.ts'
import { runRefresh } from './refresh.ts'

const cache = 'bloom-0123456789'
const nowMs = Date.parse('2026-11-25T10:00:00Z')
const load = `${cache}-r${Math.floor(nowMs / 1_000).toString(36)}`

function object(kind: string, name: string, more: Partial<KubeObject> = {}): KubeObject {
  const metadata = { name, namespace: 'models', uid: `${kind}-uid`, ...more.metadata }
  return { apiVersion: 'data.fluid.io/v1alpha1', kind, ...more, metadata }
}

const service = object('InferenceService', 'bloom', {
  metadata: {
    annotations: {
      'warmgate.dev/original': JSON.stringify({
        locations: { predictor: { uri: 's3://models/bloom', cache } },
      }),
      'warmgate.dev/caches': cache,
    },
  },
})
const sizes = { ufsTotal: '4.00GiB', cacheStates: { cached: '1.00GiB' } }
const bound = object('Dataset', cache, {
  metadata: { labels: { 'app.kubernetes.io/managed-by': 'warmgate' } },
  status: { phase: 'Bound', ...sizes },
})
const spec: JsonObject = {
  dataset: { name: cache, namespace: 'models' },
  loadMetadata: true,
  target: [{ path: '/', replicas: 2 }],
  options: { timeout: '24h' },
}
const warmup = object('DataLoad', cache, { spec, status: { phase: 'Complete', conditions: [] } })

/** A cluster of these objects, where a new DataLoad goes through these phases, one each time it is read. */
function cluster(objects: KubeObject[], phases: JsonObject[] = []) {
  const clock = new FakeClock(nowMs)
  const api = new FakeApi({ now: () => clock.now() })
  api.put(...objects)
  api.before(`get DataLoad ${load}`, () => {
    const status = phases.shift()
    if (status === undefined) api.drop('DataLoad', { namespace: 'models', name: load })
    else if (api.find('DataLoad', { namespace: 'models', name: load }) !== undefined)
      api.edit('DataLoad', { namespace: 'models', name: load }, { status })
  })
  let text = ''
  const stdout = { write: (part: string) => (text += part) }
  const run = async (timeoutMs = 60_000) => {
    const running = runRefresh(
      {
        client: api,
        clock,
        namespace: 'models',
        service: 'bloom',
        timeoutMs,
        signal: new AbortController().signal,
      },
      { stdout },
    )
    let status: number | undefined
    void running.then((result) => {
      status = result
    })
    for (let step = 0; step < 200 && status === undefined; step += 1) {
      await new Promise((resolve) => setImmediate(resolve))
      await clock.advance(1_000)
    }
    return await running
  }
  const sent = (verb: string) => api.calls.filter((call) => call.verb === verb)
  const created = () => sent('create').map(({ body }) => body as KubeObject)
  return { api, run, created, sent, text: () => text }
}

test('a second DataLoad does what the warm-up did, with the metadata read again, and goes when it is done', async () => {
  const executing = { phase: 'Executing', conditions: [] }
  const complete = { phase: 'Complete', conditions: [] }
  const { api, run, created, sent, text } = cluster(
    [service, bound, warmup],
    [{}, executing, executing, complete],
  )
  expect(await run()).toBe(0)
  expect(created()).toHaveLength(1)
  expect(created()[0]).toMatchObject({
    kind: 'DataLoad',
    metadata: { name: load, namespace: 'models', ownerReferences: [{ kind: 'Dataset', name: cache }] },
    spec: { ...spec, policy: 'Once', ttlSecondsAfterFinished: 600 },
  })
  // The controller takes away what has its label and no service.
  expect(created()[0]?.metadata.labels?.['app.kubernetes.io/managed-by']).not.toBe('warmgate')
  expect(load.length).toBeLessThanOrEqual(46)
  expect(api.writes).toEqual([`create DataLoad ${load}`, `delete DataLoad ${load}`])
  expect(sent('delete')).toMatchObject([{ preconditions: { uid: expect.stringMatching(/-/) } }])
  expect(text()).toMatch(/loading, .*4.*GiB[\s\S]*refreshed in [0-9]+[ms]/)
  expect(text().match(/loading/g)).toHaveLength(1)
})

test('without its own warm-up the whole cache is loaded', async () => {
  const { run, created } = cluster([service, bound], [{ phase: 'Complete', conditions: [] }])
  expect(await run()).toBe(0)
  expect(created()[0]?.spec).toMatchObject({ target: [{ path: '/', replicas: 1 }], loadMetadata: true })
})

test.each([
  [
    'a load that fails',
    [service, bound, warmup],
    [{ phase: 'Failed', conditions: [{ message: 'no bucket' }] }],
    'no bucket',
  ],
  ['a load that was deleted', [service, bound, warmup], [], 'its DataLoad was deleted'],
  [
    'a load that takes too long',
    [service, bound, warmup],
    Array(150).fill({ phase: 'Executing' }),
    'not refreshed after',
  ],
])('%s is reported, and the DataLoad is deleted', async (_, objects, phases, message) => {
  const { api, run, text } = cluster(objects, phases)
  expect(await run()).toBe(1)
  expect(text()).toContain(message)
  expect(api.find('DataLoad', { namespace: 'models', name: load })).toBeUndefined()
})

const plain = object('InferenceService', 'bloom')
test.each([
  ['no service', [], 'there is no service models/bloom'],
  ['a service without a cache', [plain], 'uses no cache'],
  ['a cache that is not there', [service], 'its Dataset does not exist'],
  ['a cache that is not Bound', [service, { ...bound, status: { phase: 'NotBound' } }], 'not Bound yet'],
])('%s: nothing is made', async (_, objects, message) => {
  const { run, created, text } = cluster(objects)
  expect(await run()).toBe(1)
  expect(text()).toContain(message)
  expect(created()).toEqual([])
})

test('a runtime without DataLoads reads through', async () => {
  const annotations = { 'warmgate.dev/warm-when': 'Bound' }
  const thin = {
    ...bound,
    metadata: { ...bound.metadata, annotations },
    status: { phase: 'Bound', runtimes: [{ type: 'thin' }] },
  }
  const { run, created, text } = cluster([service, thin])
  expect(await run()).toBe(0)
  expect(text()).toContain('reads through')
  expect(created()).toEqual([])
  expect(stringAt(thin, 'status', 'phase')).toBe('Bound')
})

test('a cache that its policy does not warm up can be refreshed', async () => {
  const annotations = { 'warmgate.dev/warm-when': 'Bound' }
  const lazy = {
    ...bound,
    metadata: { ...bound.metadata, annotations },
    status: { phase: 'Bound', runtimes: [{ type: 'jindo' }] },
  }
  const { run, created } = cluster([service, lazy], [{ phase: 'Executing' }, { phase: 'Complete' }])
  expect(await run()).toBe(0)
  expect(created()).toHaveLength(1)
})

test('a referenced Dataset is refreshed by its owner', async () => {
  const annotations = {
    'warmgate.dev/warm-when': 'Bound',
    'warmgate.dev/source': 'dataset://shared/all/bloom',
  }
  const reference = { ...bound, metadata: { ...bound.metadata, annotations } }
  const { run, created, text } = cluster([service, reference])
  expect(await run()).toBe(0)
  expect(text()).toContain('refers to a Dataset of another namespace: the owner of that Dataset refreshes it')
  expect(created()).toEqual([])
})

test('a Dataset that a team made for itself is its own to refresh', async () => {
  const { run, created, text } = cluster([service, object('Dataset', cache, { status: { phase: 'Bound' } })])
  expect(await run()).toBe(1)
  expect(text()).toContain("not Warmgate's")
  expect(created()).toEqual([])
})

test('a cache that cannot be refreshed keeps another one from nothing, and its words forge no line', async () => {
  const other = 'other-0123456789'
  const locations = {
    predictor: { uri: 's3://models/bloom', cache },
    transformer: { uri: 's3://models/other', cache: other },
  }
  const annotations = { 'warmgate.dev/original': JSON.stringify({ locations }) }
  const both = { ...service, metadata: { ...service.metadata, annotations } }
  const odd = object('Dataset', other, {
    metadata: { labels: { 'app.kubernetes.io/managed-by': 'warmgate' } },
  })
  const { api, run, text } = cluster([both, bound, warmup, odd], [{ phase: 'Complete', conditions: [] }])
  api.before(`get Dataset ${other}`, () => {
    throw new Error('odd\u001b[2J\nrefreshed')
  })
  expect(await run()).toBe(1)
  expect(text()).toContain(`${other}: odd\\u001b[2J\\u000arefreshed\n`)
  expect(text()).toMatch(new RegExp(`^${cache}: refreshed in`, 'm'))
})

test('a model of a filled mirror is downloaded again first, and what came of that is said', async () => {
  const filled = object('Dataset', cache, {
    metadata: { ...bound.metadata, annotations: { 'warmgate.dev/filled-from': 'hf://org/bloom' } },
    status: { phase: 'Bound', ...sizes },
  })
  const answering = (answer: string) => {
    const scene = cluster([service, filled, warmup], [{ phase: 'Complete', conditions: [] }])
    // As the controller does, a moment after it was asked.
    scene.api.before(`get Dataset ${cache}`, () => {
      const key = { namespace: 'models', name: cache }
      const request = scene.api.find('Dataset', key)?.metadata.annotations?.['warmgate.dev/refill']
      if (request !== undefined)
        scene.api.edit('Dataset', key, {
          metadata: { annotations: { 'warmgate.dev/refilled': `${request} ${answer}` } },
        })
    })
    return scene
  }
  const done = answering('Complete')
  expect(await done.run()).toBe(0)
  expect(done.api.writes[0]).toBe(`patch Dataset ${cache}`)
  expect(done.created()).toHaveLength(1)
  expect(done.text()).toContain('downloading the model into its mirror again')
  const failed = answering('Failed no such model')
  expect(await failed.run()).toBe(1)
  expect(failed.text()).toContain(`${cache}: no such model`)
  expect(failed.created()).toEqual([])
})
