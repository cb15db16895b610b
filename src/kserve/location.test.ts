import { describe, expect, test } from 'vitest'
import type { Json, JsonObject, KubeObject } from '../values/object.ts'
import { frameworks } from './inference-service.ts'
import { findModelLocations, modelPlaces } from './location.ts'
import type { ModelLocation } from './model-location.ts'

const uri = 's3://models/llama'

function inferenceService(spec: JsonObject, annotations?: { [key: string]: string }): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: 'llama', ...(annotations === undefined ? {} : { annotations }) },
    spec,
  }
}

function llmService(spec: JsonObject, version = 'v1alpha2'): KubeObject {
  return {
    apiVersion: `serving.kserve.io/${version}`,
    kind: 'LLMInferenceService',
    metadata: { name: 'llama', annotations: { 'serving.kserve.io/storageSecretName': 's3' } },
    spec,
  }
}

const found = (spec: JsonObject) => findModelLocations(inferenceService(spec)).locations
const inPredictor = (predictor: JsonObject) => found({ predictor })
const places = (locations: ModelLocation[]) =>
  Object.fromEntries(locations.map(({ id, pointer }) => [id, pointer]))

const env = (value: Json) => [
  { name: 'A', value: 'b' },
  { name: 'STORAGE_URI', value },
]
const named = { kind: 'uri', uri, storage: undefined }

test('predictor.model: its URI, its account, its annotations', () => {
  const predictor = {
    model: { storageUri: uri },
    serviceAccountName: 'reader',
    annotations: { 'serving.kserve.io/storageSecretName': 's3', number: 5 },
  }
  const annotations = { team: 'a', 'serving.kserve.io/storageSecretName': 'other' }
  expect(findModelLocations(inferenceService({ predictor }, annotations)).locations).toEqual([
    {
      id: 'predictor',
      group: 'predictor',
      component: 'predictor',
      model: named,
      pointer: '/spec/predictor/model/storageUri',
      annotations: { team: 'a', 'serving.kserve.io/storageSecretName': 's3' },
      serviceAccount: 'reader',
      obstacle: undefined,
    },
  ])
})

test.each(frameworks)(
  'predictor.%s is the same place as predictor.model, before KServe moves it',
  (framework) => {
    expect(inPredictor({ [framework]: { storageUri: uri } })).toMatchObject([
      { id: 'predictor', model: named, pointer: `/spec/predictor/${framework}/storageUri` },
    ])
  },
)

test('a storage spec names a model by its path; without a path it only names credentials', () => {
  const storage = { key: 'minio', path: 'llama' }
  expect(inPredictor({ sklearn: { storage } })).toMatchObject([
    {
      model: { kind: 'storage', storage, pointer: '/spec/predictor/sklearn/storage' },
      pointer: '/spec/predictor/sklearn/storageUri',
    },
  ])
  expect(inPredictor({ model: { storageUri: uri, storage: { key: 'minio' } } })).toMatchObject([
    { model: { kind: 'uri', uri, storage: { key: 'minio' } }, obstacle: undefined },
  ])
  expect(inPredictor({ model: { storageUri: uri, storage } })).toMatchObject([
    { obstacle: { reason: 'NoModelLocation' } },
  ])
  expect(inPredictor({ model: { storage: { key: 'minio' } } })).toEqual([])
})

test('storageUris: each by its path', () => {
  const storageUris = [
    { uri, mountPath: '/mnt/models/base' },
    { uri: 's3://models/lora', mountPath: '/mnt/models/lora' },
  ]
  const locations = inPredictor({ model: {}, storageUris })
  expect(places(locations)).toEqual({
    'predictor:/mnt/models/base': '/spec/predictor/storageUris/0/uri',
    'predictor:/mnt/models/lora': '/spec/predictor/storageUris/1/uri',
  })
  expect(locations.map(({ group, obstacle }) => [group, obstacle])).toEqual([
    ['predictor.storageUris', undefined],
    ['predictor.storageUris', undefined],
  ])
  expect(places(inPredictor({ model: {}, storageUris: [{ uri }] }))).toHaveProperty('predictor:/mnt/models')
})

test.each<[string, string[]]>([
  ['one inside another', ['/mnt/models', '/mnt/models/lora']],
  ['one twice', ['/mnt/a', '/mnt/a/']],
  ['one that makes no name', ['/mnt/My_Models']],
  ['one that makes too long a name', [`/mnt/${'m'.repeat(60)}`]],
  ['the root', ['/']],
])('storageUris with paths that KServe cannot mount as volumes: %s', (_, paths) => {
  const storageUris = paths.map((mountPath) => ({ uri, mountPath }))
  for (const { obstacle } of inPredictor({ storageUris })) expect(obstacle?.reason).toBe('NoModelLocation')
  expect(inPredictor({ storageUris })).not.toEqual([])
})

test('paths that are equal are not inside one another', () => {
  const message = (...paths: string[]) =>
    inPredictor({ storageUris: paths.map((mountPath) => ({ uri, mountPath })) })[0]?.obstacle?.message
  expect(message('/mnt/a', '/mnt/a/')).toBe(
    'several models have one mountPath: only one of them can be mounted there',
  )
  expect(message('/mnt/a', '/mnt/a/b')).toContain('the mountPath /mnt/a/b is inside another one')
})

test('a sole container is the one that serves, whatever its name; so is a first one without a name', () => {
  const pointer = '/spec/predictor/containers/0/env/1/value'
  expect(inPredictor({ containers: [{ name: 'bloom', env: env(uri) }] })).toMatchObject([
    { model: named, pointer },
  ])
  const containers = [{ env: env(uri) }, { name: 'kserve-container', env: env('s3://models/other') }]
  expect(inPredictor({ containers })).toMatchObject([{ model: named, pointer }])
})

test('of several containers, kserve-container has the model', () => {
  const containers = [
    { name: 'proxy', env: env('s3://models/other') },
    { name: 'kserve-container', env: env(uri) },
  ]
  expect(inPredictor({ containers })).toMatchObject([{ pointer: '/spec/predictor/containers/1/env/1/value' }])
  expect(inPredictor({ containers: [{ name: 'a', env: env(uri) }, { name: 'b' }] })).toEqual([])
})

test('a transformer inside the predictor’s pod has no own model', () => {
  const containers = [{ name: 'transformer-container', env: [{ name: 'STORAGE', value: uri }] }]
  expect(places(inPredictor({ model: { storageUri: uri }, containers }))).toEqual({
    predictor: '/spec/predictor/model/storageUri',
  })
})

test('a STORAGE_URI from elsewhere is not known here', () => {
  const valueFrom = { configMapKeyRef: { name: 'models', key: 'uri' } }
  expect(inPredictor({ containers: [{ name: 'a', env: [{ name: 'STORAGE_URI', valueFrom }] }] })).toEqual([])
})

test('canaries: by name, on the stable predictor’s account and annotations unless they say otherwise', () => {
  const predictor = {
    model: { storageUri: uri },
    serviceAccountName: 'reader',
    annotations: { a: '1', b: '1' },
  }
  const canary = [
    { predictor: { name: 'inherits' }, trafficPercent: 5 },
    { predictor: { name: 'green', sklearn: { storageUri: uri }, annotations: { b: '2' } } },
    { predictor: { name: 'own', containers: [{ env: env(uri) }], serviceAccountName: 'other' } },
    { predictor: { name: 'listed', storageUris: [{ uri }] } },
  ]
  const locations = found({ predictor, canary })
  expect(places(locations)).toEqual({
    predictor: '/spec/predictor/model/storageUri',
    'canary.green': '/spec/canary/1/predictor/sklearn/storageUri',
    'canary.own': '/spec/canary/2/predictor/containers/0/env/1/value',
  })
  expect(locations.map(({ serviceAccount, annotations }) => [serviceAccount, annotations.b])).toEqual([
    ['reader', '1'],
    ['reader', '2'],
    ['other', '1'],
  ])
  expect(new Set(locations.map(({ group }) => group)).size).toBe(3)
})

test('a storage spec ties the stable predictor and its canaries together', () => {
  const canary = [{ predictor: { name: 'green', model: { storage: { path: 'green' } } } }]
  const locations = found({ predictor: { model: { storageUri: uri } }, canary })
  expect(locations.map(({ group }) => group)).toEqual(['predictor', 'predictor'])
})

test('a transformer’s first container, whatever its name, or its list', () => {
  expect(found({ predictor: {}, transformer: { containers: [{ name: 'x', env: env(uri) }] } })).toMatchObject(
    [{ id: 'transformer', component: 'transformer', pointer: '/spec/transformer/containers/0/env/1/value' }],
  )
  expect(places(found({ transformer: { storageUris: [{ uri, mountPath: '/mnt/words' }] } }))).toEqual({
    'transformer:/mnt/words': '/spec/transformer/storageUris/0/uri',
  })
})

test('an explainer’s container, list or ART', () => {
  const explainer = { art: { type: 'SquareAttack', storageUri: uri }, serviceAccountName: 'e' }
  expect(found({ predictor: {}, explainer })).toMatchObject([
    {
      id: 'explainer',
      component: 'explainer',
      pointer: '/spec/explainer/art/storageUri',
      serviceAccount: 'e',
      obstacle: undefined,
    },
  ])
  // Beside a storage spec KServe takes every scheme but a claim's.
  expect(found({ explainer: { art: { storageUri: uri, storage: { key: 'x' } } } })).toMatchObject([
    { obstacle: { reason: 'NoModelLocation' } },
  ])
  expect(places(found({ explainer: { containers: [{ env: env(uri) }] } }))).toEqual({
    explainer: '/spec/explainer/containers/0/env/1/value',
  })
  expect(places(found({ explainer: { storageUris: [{ uri, mountPath: '/mnt/e' }] } }))).toHaveProperty(
    'explainer:/mnt/e',
  )
})

test('the destination of logs is not a model', () => {
  const logger = { storage: { path: 'logs', key: 'minio' }, url: 's3://logs' }
  expect(found({ predictor: { logger }, transformer: { logger }, explainer: { logger } })).toEqual([])
})

test.each<[string, JsonObject, string]>([
  [
    'a pinned storage container',
    { model: { storageUri: uri }, storageContainerName: 'x' },
    'StorageContainerPinned',
  ],
  [
    'an encrypted model',
    { model: { storageUri: uri, confidential: { enabled: true } } },
    'ConfidentialModel',
  ],
  [
    'a mount of one’s own',
    { model: { storageUri: uri, volumeMounts: [{ mountPath: '/mnt/models/' }] } },
    'PvcSource',
  ],
  [
    'a mount of another container’s',
    { model: { storageUri: uri }, containers: [{ name: 'x', volumeMounts: [{ mountPath: '/mnt/models' }] }] },
    'PvcSource',
  ],
  ['two models', { model: { storageUri: uri }, sklearn: { storageUri: uri } }, 'NoModelLocation'],
  ['a field and a list', { model: { storageUri: uri }, storageUris: [{ uri }] }, 'NoModelLocation'],
])('%s is an obstacle', (_, predictor, reason) => {
  const obstacles = inPredictor(predictor).map(({ obstacle }) => obstacle?.reason)
  expect(obstacles).not.toEqual([])
  expect(new Set(obstacles)).toEqual(new Set([reason]))
})

test.each<[string, JsonObject]>([
  ['an empty URI', { model: { storageUri: '' } }],
  ['an empty STORAGE_URI', { containers: [{ env: env('') }] }],
  ['no URI', { model: { args: ['--model_id=', '--model_name=bloom'] } }],
  ['nothing', {}],
  ['model: a list', { model: [{ storageUri: uri }] }],
  ['model: null', { model: null }],
  ['storageUri: a number', { model: { storageUri: 5 } }],
  ['containers: an object', { containers: { 0: { env: env(uri) } } }],
  ['a container: text', { containers: ['a'] }],
  ['env: an object', { containers: [{ env: { STORAGE_URI: uri } }] }],
  ['storageUris: an object', { storageUris: { 0: { uri } } }],
])('no model: %s', (_, predictor) => {
  expect(findModelLocations(inferenceService({ predictor }))).toEqual({
    locations: [],
    none: { reason: 'NoModelLocation', message: 'the service names no model URI' },
  })
})

test('a service without a spec has no model', () => {
  const { spec: _, ...bare } = inferenceService({})
  expect(findModelLocations(bare).locations).toEqual([])
})

test.each(['v1alpha1', 'v1alpha2'])('an LLMInferenceService %s: its model and its adapters', (version) => {
  const spec = {
    model: { uri, lora: { adapters: [{ name: 'sql', uri: 's3://models/sql' }, { name: 'none' }] } },
    template: { serviceAccountName: 'reader' },
    prefill: { template: {} },
  }
  expect(findModelLocations(llmService(spec, version)).locations).toMatchObject([
    {
      id: 'model',
      component: 'predictor',
      model: named,
      pointer: '/spec/model/uri',
      serviceAccount: 'reader',
      annotations: { 'serving.kserve.io/storageSecretName': 's3' },
    },
    { id: 'lora.sql', group: 'lora.sql', pointer: '/spec/model/lora/adapters/0/uri' },
  ])
})

test('the first of two adapters with the same name is read', () => {
  const adapters = ['s3://models/a', 's3://models/b'].map((each) => ({ name: 'x', uri: each }))
  expect(findModelLocations(llmService({ model: { uri, lora: { adapters } } })).locations).toMatchObject([
    { id: 'model' },
    { id: 'lora.x', model: { uri: 's3://models/a' } },
  ])
})

test.each<[string, JsonObject, string]>([
  [
    'without its storage initializer',
    { model: { uri }, storageInitializer: { enabled: false } },
    'NoModelLocation',
  ],
  ['with an encrypted model', { model: { uri, confidential: { enabled: true } } }, 'ConfidentialModel'],
  [
    'with a mount of its own',
    {
      model: { uri },
      prefill: { template: { containers: [{ volumeMounts: [{ mountPath: '/mnt/models' }] }] } },
    },
    'PvcSource',
  ],
])('an LLMInferenceService %s is left alone', (_, spec, reason) => {
  expect(findModelLocations(llmService(spec)).locations).toMatchObject([{ obstacle: { reason } }])
})

test('a model that comes from a configuration is not in the service', () => {
  expect(findModelLocations(llmService({ baseRefs: [{ name: 'preset' }] }))).toEqual({
    locations: [],
    none: {
      reason: 'NoModelLocation',
      message: 'the service names no model URI; a model URI from its baseRefs is not read here',
    },
  })
})

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i))
const listed = (count: number) =>
  times(count, (index) => ({ uri: `${uri}-${index}`, mountPath: `/mnt/m-${index}` }))
const nested = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as Json

test.each<[string, JsonObject, string]>([
  [
    'storageUris',
    { storageUris: listed(65) },
    'spec.predictor.storageUris has 65 elements: at most 64 are read',
  ],
  ['containers', { containers: times(65, () => ({})) }, 'spec.predictor.containers has 65 elements'],
  ['volumes', { volumes: times(257, () => ({})) }, 'spec.predictor.volumes has 257 elements'],
  ['env', { model: { env: times(1_001, () => ({})) } }, 'spec.predictor.model.env has 1001 elements'],
  ['arguments', { model: { args: times(1_001, String) } }, 'spec.predictor.model.args has 1001 elements'],
  [
    'mounts',
    { containers: [{ volumeMounts: times(257, () => ({})) }] },
    'spec.predictor.containers.volumeMounts has 257 elements',
  ],
  [
    'annotations',
    { annotations: Object.fromEntries(times(513, (index) => [`a${index}`, ''])) },
    'spec.predictor.annotations has 513 elements',
  ],
  [
    'resources',
    { model: { resources: { limits: Object.fromEntries(times(65, (index) => [`a/${index}`, '1'])) } } },
    'spec.predictor.model.resources.limits has 65 elements',
  ],
  ['anything else', { what: { ever: times(1_001, String) } }, 'spec.predictor.what.ever has 1001 elements'],
  ['levels', { what: nested(100) }, 'is nested more than 100 levels deep'],
])('a service with too many %s has no locations', (_, predictor, message) => {
  const made = findModelLocations(
    inferenceService({ predictor: { model: { storageUri: uri }, ...predictor } }),
  )
  expect(made).toMatchObject({ locations: [], none: { reason: 'TooLarge' } })
  expect(made.none.message).toContain(message)
  expect(made.none.message.length).toBeLessThan(300)
})

test('nor has one with too many annotations, canaries or adapters; a service at the limit is read', () => {
  const annotations = (count: number) => Object.fromEntries(times(count, (index) => [`a${index}`, '']))
  const annotated = (count: number) =>
    findModelLocations(inferenceService({ predictor: { model: { storageUri: uri } } }, annotations(count)))
  expect([annotated(513).none.reason, annotated(512).locations.length]).toEqual(['TooLarge', 1])
  const canaries = (count: number) =>
    findModelLocations(inferenceService({ canary: times(count, () => ({ predictor: {} })) }))
  expect([canaries(65).none.reason, canaries(64).none.reason]).toEqual(['TooLarge', 'NoModelLocation'])
  const adapters = (count: number) => {
    const lora = { adapters: times(count, (index) => ({ name: `a${index}`, uri })) }
    return findModelLocations(llmService({ model: { uri, lora } }))
  }
  expect([adapters(64).none, adapters(63).locations.length]).toEqual([
    { reason: 'TooLarge', message: 'it names 65 models: at most 64 are read' },
    64,
  ])
  expect(inPredictor({ storageUris: listed(64) })).toHaveLength(64)
})

test('restore finds the models of a service that has become too large', () => {
  const grown = inferenceService({ predictor: { storageUris: listed(100) }, what: nested(9_000) })
  expect(findModelLocations(grown).locations).toEqual([])
  expect(modelPlaces(grown).at(-1)).toMatchObject({
    id: 'predictor:/mnt/m-99',
    pointer: '/spec/predictor/storageUris/99/uri',
  })
})

test.each<[string, JsonObject]>([
  ['a URI', { model: { storageUri: `s3://hunter2/${'x'.repeat(2_040)}` } }],
  ['a STORAGE_URI', { containers: [{ env: env(`s3://hunter2/${'x'.repeat(2_040)}`) }] }],
  ['a storage path', { model: { storage: { path: `hunter2${'x'.repeat(2_048)}` } } }],
  ['a storage spec', { model: { storage: { path: 'a', parameters: { a: `hunter2${'x'.repeat(8_192)}` } } } }],
  ['a mountPath', { storageUris: [{ uri, mountPath: `/hunter2${'x'.repeat(2_048)}` }] }],
])('%s that is too long is an obstacle, and is not repeated', (_, predictor) => {
  const [location] = inPredictor(predictor)
  expect(location?.obstacle?.reason).toBe('TooLarge')
  expect(JSON.stringify([location?.id, location?.obstacle])).not.toContain('hunter2')
})

test('names that are too long for names are no part of an id', () => {
  const name = 'x'.repeat(254)
  const canary = [{ predictor: { name, model: { storageUri: uri } } }]
  expect(found({ canary }).map(({ id }) => id)).toEqual(['canary.0'])
  const lora = { adapters: [{ name, uri }] }
  expect(findModelLocations(llmService({ model: { lora } })).locations.map(({ id }) => id)).toEqual([
    'lora.0',
  ])
})

test('the text of a mountPath is cut, and its control characters are not repeated', () => {
  const [location] = inPredictor({ storageUris: [{ uri, mountPath: `/\u001b[2J${'y'.repeat(1_000)}` }] })
  expect(location?.obstacle?.message).toMatch(/ \/\\u001b\[2Jy+…$/)
})

test.each([
  [['--model_id=org/bloom']],
  [['--model_name=b', '--model_id', 'org/bloom']],
  [['serve --model-id "org/b"']],
])('a server without a model URI that downloads its own model gets this message: %j', (args) => {
  const message = expect.stringContaining('downloads its model from the Hugging Face hub')
  for (const predictor of [{ model: { args } }, { huggingface: { args } }, { containers: [{ args }] }])
    expect(findModelLocations(inferenceService({ predictor })).none).toMatchObject({ message })
})

describe('a server that downloads its own model, beside a model URI', () => {
  const obstacle = (predictor: JsonObject, runtime?: JsonObject) =>
    findModelLocations(inferenceService({ predictor }), [], runtime).locations[0]?.obstacle
  const args = ['--model_name=b', '--model_id=org/bloom']
  const image = 'kserve/huggingfaceserver:v0.20.0'

  test.each<[string, JsonObject, JsonObject?]>([
    ['in its format', { model: { modelFormat: { name: 'huggingface' }, storageUri: uri, args } }],
    ['in its field', { huggingface: { storageUri: uri, args } }],
    ['by the URI itself', { model: { storageUri: uri, args: ['--model', uri] } }],
    ['in its runtime, by name', { model: { runtime: 'kserve-huggingfaceserver', storageUri: uri, args } }],
    ['in a container of its own', { containers: [{ name: 'kserve-container', image, args, env: env(uri) }] }],
    [
      'by the arguments of its runtime',
      { model: { modelFormat: { name: 'x' }, storageUri: uri } },
      { containers: [{ name: 'kserve-container', image, args }] },
    ],
  ])('%s', (_, predictor, runtime) => {
    expect(obstacle(predictor, runtime)).toMatchObject({ reason: 'NoModelLocation' })
  })

  test.each<[string, JsonObject]>([
    [
      'another server, which may take it for a name',
      { containers: [{ image: 'serve:1', args, env: env(uri) }] },
    ],
    ['an empty one', { huggingface: { storageUri: uri, args: ['--model_id=', '--model_name=b'] } }],
    ['one without a value', { huggingface: { storageUri: uri, args: ['--model_id', '--model_name=b'] } }],
    ['another argument', { huggingface: { storageUri: uri, args: ['--served_model_id=b'] } }],
  ])('not: %s', (_, predictor) => {
    expect(obstacle(predictor)).toBeUndefined()
  })
})

describe('other components that read the model of an InferenceService', () => {
  const model = { storageUri: uri }
  const mounting = (name: string) => ({ name: 'other', volumeMounts: [{ name, mountPath: '/model' }] })
  const download = mounting('kserve-provision-location')
  const obstacles = (spec: JsonObject, runtime?: JsonObject) =>
    findModelLocations(inferenceService(spec), [], runtime).locations.map(({ obstacle }) => obstacle?.reason)

  test.each<[string, JsonObject, JsonObject?]>([
    ['a second container', { model, containers: [download] }],
    ['the server itself, elsewhere', { model: { ...model, ...download } }],
    ['an init container', { model, initContainers: [download] }],
    ['a container that mounts the claim’s volume', { model, containers: [mounting('kserve-pvc-source')] }],
    [
      'a volume with the name of the claim’s',
      { model, volumes: [{ name: 'kserve-pvc-source', emptyDir: {} }] },
    ],
    ['a container of the workers', { model, workerSpec: { containers: [download] } }],
    ['a container of the runtime', { model }, { containers: [download] }],
    [
      'a container that mounts the volume of a list',
      { storageUris: [{ uri, mountPath: '/mnt/models/a' }], containers: [mounting('mnt-models-a')] },
    ],
  ])('%s: it is left alone', (_, predictor, runtime) => {
    expect(obstacles({ predictor }, runtime)).toEqual(['SharedDownload'])
  })

  test('two downloads share a volume of what their paths have in common', () => {
    const storageUris = ['a', 'b'].map((each) => ({ uri, mountPath: `/mnt/all/${each}` }))
    const predictor = { storageUris, containers: [mounting('mnt-all')] }
    expect(obstacles({ predictor })).toEqual(['SharedDownload', 'SharedDownload'])
    expect(obstacles({ predictor: { storageUris, containers: [mounting('mnt')] } })).toEqual([
      undefined,
      undefined,
    ])
  })

  test('a canary has what the stable predictor has, and not the other way about', () => {
    const canary = (more: JsonObject) => [{ predictor: { name: 'green', model, ...more } }]
    expect(obstacles({ predictor: { model, containers: [download] }, canary: canary({}) })).toEqual([
      'SharedDownload',
      'SharedDownload',
    ])
    expect(obstacles({ predictor: { model }, canary: canary({ containers: [download] }) })).toEqual([
      undefined,
      'SharedDownload',
    ])
  })

  test('a volume that is only declared is not mounted', () => {
    const volumes = [{ name: 'kserve-provision-location', persistentVolumeClaim: { claimName: 'mine' } }]
    expect(obstacles({ predictor: { model, volumes } })).toEqual([undefined])
    expect(obstacles({ predictor: { model, containers: [mounting('scratch')] } })).toEqual([undefined])
  })

  test('beside an init container called storage-initializer KServe mounts nothing', () => {
    const own = (name: string) => ({ model, initContainers: [{ name }] })
    expect(obstacles({ predictor: own('storage-initializer') })).toEqual(['CustomDownload'])
    expect(obstacles({ predictor: own('storage-initializer-2') })).toEqual([undefined])
  })
})

describe('other components that read the model of an LLMInferenceService', () => {
  const reason = (spec: JsonObject, base: JsonObject = {}) =>
    findModelLocations(llmService({ model: { uri }, ...spec }), [base]).locations[0]?.obstacle?.reason
  const main = (args: string[]) => ({ containers: [{ name: 'main', args }] })

  test.each<[string, JsonObject]>([
    ['the URI', { template: main(['{{ .Spec.Model.URI }}']) }],
    ['a part of it', { worker: main(['s3://{{ .Spec.Model.URI.Host }}/x']) }],
    ['the whole model', { template: main(['a', '{{ .Name }} {{- .Spec.Model -}}']) }],
    ['by an index', { prefill: { template: main(['{{ index .Spec.Model "URI" }}']) } }],
    ['in a variable', { template: { containers: [{ env: [{ name: 'M', value: '{{.Spec.Model.URI}}' }] }] } }],
    ['in an annotation', { annotations: { from: '{{ .Spec.Model.URI }}' } }],
  ])('a template that renders %s', (_, spec) => {
    expect(reason(spec)).toBe('NoModelLocation')
    expect(reason({}, spec)).toBe('NoModelLocation')
  })

  test('arguments that name the URI itself', () => {
    const streamed = main([`--model=${uri}/`, '--load-format=runai_streamer'])
    expect(reason({ template: streamed })).toBe('NoModelLocation')
    expect(reason({}, { worker: streamed })).toBe('NoModelLocation')
    expect(reason({ template: main([`sh -c "serve ${uri}"`]) })).toBe('NoModelLocation')
    for (const other of ['s3://models/other', `${uri}-2`])
      expect(reason({ template: main([other]) })).toBeUndefined()
  })

  test.each(['{{ .Spec.Model.Name }}', '{{ .Name }} URI', '{{ if .Spec.Prefill }}', 'URI', '{{'])(
    'a template that renders something else: %s',
    (text) => {
      expect(reason({ template: main([text]) })).toBeUndefined()
    },
  )

  test.each<[string, string[]]>([
    ['the template', ['template']],
    ['the workers', ['worker']],
    ['prefill', ['prefill', 'template']],
    ['prefill’s workers', ['prefill', 'worker']],
    ['the scheduler', ['router', 'scheduler', 'template']],
  ])('the storage-initializer and the volume in %s', (_, path) => {
    const at = (pod: JsonObject) => path.reduceRight<JsonObject>((inner, field) => ({ [field]: inner }), pod)
    const initializer = (more: JsonObject) =>
      at({ initContainers: [{ name: 'storage-initializer', ...more }] })
    for (const more of [
      { env: [{ name: 'AWS_ENDPOINT_URL', value: 'http://minio:9000' }] },
      { env: [{ name: 'STORAGE_IGNORE_PATTERNS', value: '["*.pth"]' }] },
      { envFrom: [{ secretRef: { name: 'keys' } }] },
      { image: 'corp/downloader:1' },
      { volumeMounts: [{ name: 'ca', mountPath: '/ca' }] },
    ])
      expect([reason(initializer(more)), reason({}, initializer(more))]).toEqual([
        'CustomDownload',
        'CustomDownload',
      ])
    for (const more of [
      {},
      { resources: { limits: { memory: '8Gi' } }, securityContext: { runAsUser: 1 }, env: [], image: '' },
      {
        env: [
          { name: 'HF_TOKEN', value: 'x' },
          { name: 'S3_MAX_FILE_CONCURRENCY', value: '8' },
        ],
      },
      { image: 'mirror.corp:5000/opendatahub/kserve-storage-initializer:v1' },
      // KServe reports them in an Event, and ignores them.
      { command: ['sh'], args: ['-c', 'x'] },
    ])
      expect(reason(initializer(more))).toBeUndefined()
    const other = { containers: [{ volumeMounts: [{ name: 'kserve-provision-location', mountPath: '/m' }] }] }
    expect([reason(at(other)), reason({}, at(other))]).toEqual(['SharedDownload', 'SharedDownload'])
  })
})

test('the annotations of a runtime are those of its pods, below the service’s and the predictor’s', () => {
  const runtime = { annotations: { a: 'runtime', b: 'runtime', c: 'runtime' } }
  const predictor = { model: { storageUri: uri }, annotations: { a: 'predictor' } }
  const service = inferenceService(
    { predictor, transformer: { containers: [{ env: env(uri) }] } },
    { b: 'service' },
  )
  expect(findModelLocations(service, [], runtime).locations.map(({ annotations }) => annotations)).toEqual([
    { a: 'predictor', b: 'service', c: 'runtime' },
    { b: 'service' },
  ])
})
