import { expect, test } from 'vitest'
import { isCacheName, loadName } from '../../fluid/name.ts'
import { getIn, type Json, type KubeObject, stringAt } from '../../values/object.ts'
import { fakeFacts, fakePolicy, fakeService, recorded, s3Secret } from '../plan.fake.ts'
import { type Plan, plan, siblingsOf } from '../plan.ts'
import { readOriginal } from './original.ts'

const inference = (storageUri: string) => fakeService({ model: { storageUri } })
const llama = inference('s3://models/team/llama')

function factsWith(sources: Json[] = [], more: Partial<ReturnType<typeof fakeFacts>> = {}) {
  const policy = fakePolicy('p', { cache: { scope: 'Source' }, sources })
  return fakeFacts({ policies: [policy], ...more })
}

const below = factsWith([{ match: ['s3://models/team/'] }])

function uriOf({ service }: Plan): string {
  return stringAt(service, 'spec', 'predictor', 'model', 'storageUri') ?? ''
}

/** The source of the claim's Dataset, and the path in it. */
function placeOf(uri: string, facts = below): string[] {
  const made = plan({ service: inference(uri), facts })
  const [cache] = made.caches
  expect(uriOf(made).startsWith(`pvc://${cache?.name}`)).toBe(true)
  return [cache?.source.uri ?? '', uriOf(made).slice(`pvc://${cache?.name}`.length)]
}

test('models of one prefix are on one Dataset, each at its path with its own DataLoad', () => {
  const made = plan({ service: llama, facts: below })
  const bloom = plan({ service: inference('s3://models/team/bloom/7b/'), facts: below })
  const [cache] = made.caches
  expect(bloom.caches[0]?.name).toBe(cache?.name)
  expect(uriOf(made)).toBe(`pvc://${cache?.name}/llama`)
  expect(uriOf(bloom)).toBe(`pvc://${cache?.name}/bloom/7b`)
  expect(made.message).toBe(`s3://models/team/llama is served from cache ${cache?.name}, at llama`)
  const [dataset, , load] = siblingsOf(made)
  expect(getIn(dataset, 'spec', 'mounts', 0)).toMatchObject({ mountPoint: 's3://models/team/', path: '/' })
  expect(load).toMatchObject({
    metadata: { name: loadName(cache?.name ?? '', 'llama') },
    spec: { dataset: { name: cache?.name }, target: [{ path: '/llama', replicas: 1 }] },
  })
  expect(isCacheName(load?.metadata.name ?? '')).toBe(true)
})

test.each<[string, Json[], string, string, string]>([
  ['the bucket, where no rule is', [], 's3://models/team/llama', 's3://models', '/team/llama'],
  [
    'the bucket, where the rule is for a scheme',
    [{ match: ['s3://'] }],
    's3://models/llama',
    's3://models',
    '/llama',
  ],
  [
    'never above a prefix that ends within a segment',
    [{ match: ['s3://models/te'] }],
    's3://models/team/llama',
    's3://models/team',
    '/llama',
  ],
  ['nor within a bucket', [{ match: ['s3://mod'] }], 's3://models/team/llama', 's3://models', '/team/llama'],
  [
    'the prefix that matched',
    [{ match: ['s3://a/', 's3://models/team'] }],
    's3://models/team/llama',
    's3://models/team',
    '/llama',
  ],
  [
    'the model, where that is the prefix',
    [{ match: ['s3://models/team/'] }],
    's3://models/team',
    's3://models/team',
    '',
  ],
  [
    'the copies, of a mirror',
    [{ match: ['hf://'], mirror: 's3://mirror/hf/' }],
    'hf://meta/llama',
    's3://mirror/hf',
    '/meta/llama',
  ],
])('mounted is %s', (_, sources, uri, dataset, path) => {
  expect(placeOf(uri, factsWith(sources))).toEqual([dataset, path])
})

test('a path that cannot be used gets its own cache: in storageUris, and if Fluid could not load it', () => {
  const list = fakeService({
    model: {},
    storageUris: [{ uri: 's3://models/team/llama', mountPath: '/mnt/a' }],
  })
  const [own] = plan({ service: list, facts: below }).caches
  expect(own).toMatchObject({ source: { uri: 's3://models/team/llama' }, paths: [''] })
  expect(placeOf('s3://models/team/a:b')).toEqual(['s3://models/team/a:b', ''])
})

test('other credentials are another Dataset', () => {
  const secrets = { 's3-access': s3Secret }
  const serviceAccounts = { default: { name: 'default', secrets: ['s3-access'], annotations: {} } }
  const [open] = plan({ service: llama, facts: below }).caches
  const [keyed] = plan({ service: llama, facts: { ...below, secrets, serviceAccounts } }).caches
  expect(keyed?.source.uri).toBe('s3://models/team')
  expect(keyed?.name).not.toBe(open?.name)
})

test('two models of one service share a Dataset', () => {
  const service: KubeObject = {
    ...llama,
    apiVersion: 'serving.kserve.io/v1alpha2',
    kind: 'LLMInferenceService',
    spec: {
      model: {
        uri: 's3://models/team/llama',
        lora: { adapters: [{ name: 'sql', uri: 's3://models/team/sql' }] },
      },
    },
  }
  expect(plan({ service, facts: below }).caches).toMatchObject([{ paths: ['llama', 'sql'] }])
})

test('a rewrite stays if scope and rules change; its Dataset is created again as before', () => {
  const { service: admitted } = plan({ service: llama, facts: below })
  const later = [fakeFacts(), factsWith([{ match: ['s3://models/'] }]), factsWith([{ match: ['oss://'] }])]
  for (const facts of later) {
    for (const service of [admitted, llama]) {
      const kept = plan({ service, previous: admitted, facts })
      expect(kept.service).toEqual(admitted)
    }
  }
  const [before] = plan({ service: admitted, previous: admitted, facts: below }).caches
  const [after] = plan({ service: admitted, previous: admitted, facts: fakeFacts() }).caches
  expect(after).toMatchObject({ name: before?.name, source: before?.source, paths: ['llama'] })
})

test('a forged path makes nothing: where it is no part of the model’s own URI, the cache is not made', () => {
  const [cache] = plan({ service: llama, facts: below }).caches
  for (const path of ['other', '../llama', 'a;b', 'x llama']) {
    const name = cache?.name ?? ''
    const locations = { predictor: { uri: 's3://models/team/llama', cache: name, path } }
    const forged = recorded(fakeService({ model: { storageUri: `pvc://${name}/${path}` } }), { locations })
    const made = plan({ service: forged, previous: forged, facts: below })
    expect(siblingsOf(made)).toEqual([])
    expect(made.unavailable.find(({ cache }) => cache === name)).toMatchObject({ reason: 'UnsafeUri' })
  }
})

test('the obstacle of a kept cache is reported', () => {
  const { service } = plan({ service: llama, facts: below })
  const cache = readOriginal(service)?.locations.predictor?.cache ?? ''
  const made = plan({ service, previous: service, facts: { ...below, foreignClaims: new Set([cache]) } })
  expect(siblingsOf(made)).toEqual([])
  expect(made.unavailable.find((each) => each.cache === cache)).toMatchObject({ reason: 'NameTaken' })
})
