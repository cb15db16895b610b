import { expect, test } from 'vitest'
import { type JsonObject, type KubeObject, listAt, objectAt } from '../../values/object.ts'
import { Draft } from '../draft.ts'
import { fakeFacts, fakeService } from '../plan.fake.ts'
import { plan } from '../plan.ts'
import { cacheNames, type Original, readOriginal, recordText, restore, writeRecord } from './original.ts'

const uri = 's3://models/llama'
const cache = 'llama-0123456789'
const record: Original = {
  locations: { predictor: { uri, cache } },
  additions: {
    predictor: {
      added: { '/resources/limits/nvidia.com~1gpu': '1' },
      made: ['/resources', '/resources/limits'],
    },
  },
  madeAnnotations: false,
}

function withRecord(text: unknown, predictor = { model: { storageUri: `pvc://${cache}` } }): KubeObject {
  const value = typeof text === 'string' ? text : JSON.stringify(text)
  return fakeService(predictor, { annotations: { 'warmgate.dev/original': value } })
}

function restored(service: KubeObject, original: Original): KubeObject {
  const draft = new Draft(service)
  restore(draft, original)
  return draft.object
}

test('a written record can be read', () => {
  for (const original of [record, { ...record, madeAnnotations: true }]) {
    const draft = new Draft(fakeService({ model: { storageUri: uri } }))
    writeRecord(draft, original, recordText(original))
    expect(readOriginal(draft.object)).toEqual(original)
    expect(cacheNames(draft.object)).toEqual([cache])
  }
})

test('emptiness is left out of what is written', () => {
  const draft = new Draft(fakeService({}, { annotations: {} }))
  const locations = { predictor: { uri, cache } }
  const original = { locations, additions: { predictor: { added: {}, made: [] } }, madeAnnotations: false }
  writeRecord(draft, original, recordText(original))
  expect(draft.object.metadata.annotations).toEqual({
    'warmgate.dev/original': JSON.stringify({ locations: { predictor: { uri, cache } } }),
    'warmgate.dev/caches': cache,
  })
  expect(readOriginal(draft.object)).toEqual({ locations, additions: {}, madeAnnotations: false })
})

test.each<[string, unknown]>([
  ['text', 'nonsense'],
  ['broken JSON', '{"locations":'],
  ['a list', []],
  ['no locations', {}],
  ['locations: a list', { locations: [{ uri, cache }] }],
  ['locations: empty', { locations: {} }],
  ['a location: text', { locations: { predictor: uri } }],
  ['no URI', { locations: { predictor: { cache } } }],
  ['no cache', { locations: { predictor: { uri } } }],
  ['a cache that is none of ours', { locations: { predictor: { uri, cache: 'their-claim' } } }],
  ['a cache with a path', { locations: { predictor: { uri, cache: `${cache}/../x` } } }],
])('an invalid record is ignored: %s', (_, text) => {
  expect(readOriginal(withRecord(text))).toBeUndefined()
})

test('a service without annotations has no record, and no caches', () => {
  expect(readOriginal(fakeService({}))).toBeUndefined()
  expect(cacheNames(fakeService({}))).toEqual([])
})

test('the names of caches, as they are listed', () => {
  const service = fakeService({}, { annotations: { 'warmgate.dev/caches': 'a-1,,b-2' } })
  expect(cacheNames(service)).toEqual(['a-1', 'b-2'])
})

const accelerated = {
  model: { storageUri: `pvc://${cache}`, resources: { limits: { 'nvidia.com/gpu': '1' } } },
}

test('restoring undoes all of it', () => {
  const service = fakeService(accelerated, {
    annotations: { team: 'a', 'warmgate.dev/original': 'x', 'warmgate.dev/caches': 'x' },
  })
  expect(restored(service, record)).toEqual(
    fakeService({ model: { storageUri: uri } }, { annotations: { team: 'a' } }),
  )
})

test('annotations that were made for the record go with it', () => {
  const annotations = { 'warmgate.dev/original': 'x', 'warmgate.dev/caches': 'x' }
  const service = fakeService(accelerated, { annotations })
  expect(restored(service, { ...record, madeAnnotations: true }).metadata).not.toHaveProperty('annotations')
  expect(restored(service, record).metadata.annotations).toEqual({})
  const more = fakeService(accelerated, { annotations: { ...annotations, team: 'a' } })
  expect(restored(more, { ...record, madeAnnotations: true }).metadata.annotations).toEqual({ team: 'a' })
})

test('a model that KServe’s defaulter has moved is restored in its new field', () => {
  const moved = {
    modelFormat: { name: 'sklearn' },
    storageUri: `pvc://${cache}`,
    resources: { limits: { 'nvidia.com/gpu': '1', cpu: '1' } },
  }
  expect(restored(fakeService({ model: moved }), record).spec).toEqual({
    predictor: {
      model: { modelFormat: { name: 'sklearn' }, storageUri: uri, resources: { limits: { cpu: '1' } } },
    },
  })
})

test('later changes of the user are kept', () => {
  const own = { model: { storageUri: 'pvc://own', resources: { limits: { 'nvidia.com/gpu': '2' } } } }
  expect(restored(fakeService(own), record).spec).toEqual({ predictor: own })
  const emptied = { model: { storageUri: `pvc://${cache}`, resources: { limits: { cpu: '1' } } } }
  expect(restored(fakeService(emptied), record).spec).toEqual({
    predictor: { model: { storageUri: uri, resources: { limits: { cpu: '1' } } } },
  })
})

test('a service without a model loses the record alone', () => {
  const service = fakeService({}, { annotations: { 'warmgate.dev/original': 'x' } })
  expect(restored(service, record)).toEqual(fakeService({}, { annotations: {} }))
})

test('a forged record takes nothing away outside of what an anchor owns', () => {
  const value = { image: 'own', args: {}, resources: { limits: { x: '1' } }, storageUri: 's3://models/x' }
  const added = { '/image': 'own', '/resources/limits/x': '1', '/../containers': [], '': value }
  const made = ['/args', '/resources', '/resources/limits', '/../../metadata/labels']
  const forged: Original = { ...record, additions: { predictor: { added, made }, nowhere: { added, made } } }
  expect(restored(fakeService({ model: value }), forged).spec).toEqual({
    predictor: { model: { image: 'own', args: {}, storageUri: 's3://models/x' } },
  })
})

const storage = {
  key: 'minio',
  path: 'llama/v1',
  schemaPath: 'schema.json',
  parameters: { type: 's3', bucket: 'models' },
}
const storedStorage: Original = { ...record, locations: { predictor: { uri, cache, storage } } }

test('a storage spec comes back in place of the claim, wherever KServe has moved it', () => {
  for (const field of ['model', 'sklearn'])
    expect(restored(fakeService({ [field]: { storageUri: `pvc://${cache}` } }), storedStorage).spec).toEqual({
      predictor: { [field]: { storage } },
    })
})

const { key: _, ...withoutKey } = storage

test.each<[string, JsonObject, JsonObject]>([
  ['path', { path: 'llama/v2' }, { ...storage, path: 'llama/v2' }],
  ['key', { key: 'ceph' }, { ...storage, key: 'ceph' }],
  ['schemaPath', { schemaPath: 's-2.json' }, { ...storage, schemaPath: 's-2.json' }],
  [
    'one of the parameters',
    { parameters: { bucket: 'other' } },
    { ...storage, parameters: { type: 's3', bucket: 'other' } },
  ],
  [
    'a further one',
    { parameters: { region: 'eu' } },
    { ...storage, parameters: { ...storage.parameters, region: 'eu' } },
  ],
  ['a field that KServe may add', { style: 'x' }, { ...storage, style: 'x' }],
  ['a null', { key: null }, withoutKey],
  [
    'a null among the parameters',
    { parameters: { bucket: null } },
    { ...storage, parameters: { type: 's3' } },
  ],
  ['nothing', {}, storage],
  ['all of it', storage, storage],
])('beside a claim, a storage spec is a part of one: %s', (_, written, expected) => {
  const claim = { storageUri: `pvc://${cache}`, storage: written }
  expect(restored(fakeService({ model: claim }), storedStorage).spec).toEqual({
    predictor: { model: { storage: expected } },
  })
})

test('a storage spec with as many parameters as are read is recorded as a whole', () => {
  const parameters = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`p${index}`, 'x']))
  const original: Original = {
    ...record,
    locations: { predictor: { uri, cache, storage: { ...storage, parameters } } },
  }
  expect(readOriginal(withRecord(recordText(original)))).toEqual(original)
})

test('without the claim, a storage spec is the whole of one', () => {
  const own = { model: { storage: { path: 'llama/v2' } } }
  expect(restored(fakeService(own), storedStorage).spec).toEqual({ predictor: own })
  const model = { model: { storageUri: 's3://other/llama', storage: { key: 'ceph' } } }
  expect(restored(fakeService(model), storedStorage).spec).toEqual({ predictor: model })
})

test('a whole storage spec without a path, as Open Data Hub writes it, keeps the path', () => {
  expect(restored(fakeService({ model: { storage: { key: 'ceph' } } }), storedStorage).spec).toEqual({
    predictor: { model: { storage: { key: 'ceph', path: 'llama/v1' } } },
  })
  // It gets none from another location's record.
  const other: Original = { ...record, locations: { transformer: { uri, cache, storage } } }
  const own = { model: { storage: { key: 'ceph' } } }
  expect(restored(fakeService(own), other).spec).toEqual({ predictor: own })
})

test('a path inside of the claim is part of the URI', () => {
  const original: Original = { ...record, locations: { predictor: { uri, cache, path: 'llama' } } }
  const stands = (claim: string) => restored(fakeService({ model: { storageUri: claim } }), original).spec
  expect(stands(`pvc://${cache}/llama`)).toEqual({ predictor: { model: { storageUri: uri } } })
  expect(stands(`pvc://${cache}`)).toEqual({ predictor: { model: { storageUri: `pvc://${cache}` } } })
})

test('every location is restored by its own name', () => {
  const original: Original = {
    locations: {
      'canary.green': { uri: 's3://models/green', cache },
      transformer: { uri: 's3://models/words', cache },
      'predictor:/mnt/models/b': { uri: 's3://models/b', cache },
    },
    additions: {},
    madeAnnotations: false,
  }
  const claim = `pvc://${cache}`
  const spec = (uris: string[]) => ({
    predictor: {
      storageUris: [
        { uri: 's3://models/a', mountPath: '/mnt/models/a' },
        { uri: uris[0], mountPath: '/mnt/models/b' },
      ],
    },
    canary: [
      { predictor: { name: 'blue' } },
      { predictor: { name: 'green', model: { storageUri: uris[1] } } },
    ],
    transformer: { containers: [{ env: [{ name: 'STORAGE_URI', value: uris[2] }] }] },
  })
  const service = { ...fakeService({}), spec: spec([claim, claim, claim]) } as unknown as KubeObject
  expect(restored(service, original).spec).toEqual(
    spec(['s3://models/b', 's3://models/green', 's3://models/words']),
  )
})

test('a service that has become too large still gets its models restored', () => {
  const listed = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      uri: `s3://models/m-${index}`,
      mountPath: `/mnt/m-${index}`,
    }))
  const { service: admitted } = plan({ service: fakeService({ storageUris: listed(2) }), facts: fakeFacts() })
  const predictor = objectAt(admitted, 'spec', 'predictor')
  const storageUris = [...listAt(predictor, 'storageUris'), ...listed(70).slice(2)]
  const grown = { ...admitted, spec: { predictor: { ...predictor, storageUris } } }
  const made = plan({ service: grown, previous: admitted, facts: fakeFacts() })
  expect(made).toMatchObject({ decision: 'skip', reason: 'TooLarge' })
  expect(made.service).toEqual(fakeService({ storageUris: listed(70) }))
})
