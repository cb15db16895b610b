import { expect, test } from 'vitest'
import { fakeFacts, fakePolicy } from '../../src/plan/plan.fake.ts'
import { plan, siblingsOf } from '../../src/plan/plan.ts'
import { expectWithin } from '../../src/values/growth.fixture.ts'
import type { Json, JsonObject, KubeObject } from '../../src/values/object.ts'

// As large as the API server stores an object.
const megabytes = 1.5 * 2 ** 20
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i))
const many = (element: Json): Json => {
  const text = JSON.stringify(element)
  return JSON.parse(`[${Array(Math.floor(megabytes / (text.length + 1))).fill(text)}]`) as Json
}

function service(predictor: JsonObject, annotations: { [key: string]: string } = {}): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: 'a', namespace: 'models', annotations },
    spec: { predictor },
  }
}

const deep = JSON.parse(`${'[{"a":'.repeat(4_000)}1${'}]'.repeat(4_000)}`) as Json
const slashes = '/'.repeat(megabytes)

test.each<[string, KubeObject]>([
  ['one huge argument', service({ containers: [{ args: [slashes] }] })],
  ['a URI of slashes', service({ model: { storageUri: `s3://b${slashes}x` } })],
  ['a URI of 60 KiB', service({ model: { storageUri: `https://${':'.repeat(60 * 1024)}` } })],
  ['a storage path of slashes', service({ model: { storage: { path: slashes } } })],
  [
    '8,000 storageUris',
    service({ storageUris: times(8_000, (index) => ({ uri: `s3://b/${index}`, mountPath: `/m/${index}` })) }),
  ],
  ['volumes', service({ model: { storageUri: 's3://b/a' }, volumes: many({ name: 'a' }) })],
  ['env', service({ containers: [{ env: many({ name: 'a', value: 'b' }) }] })],
  ['nesting', service({ model: { storageUri: 's3://b/a' }, a: deep })],
  ['annotations', service({}, Object.fromEntries(times(20_000, (index) => [`a/${index}`, 'b'])))],
])('text that stops every replica: %s', (_, hostile) => {
  const ask = () => plan({ service: hostile, previous: hostile, facts: fakeFacts() })
  expect(ask().decision).toBe('skip')
  // The plan copies the service, which takes most of the time.
  expectWithin(100, ask)
})

const policies = [
  fakePolicy('p', {
    sources: [
      { match: ['hf://', 'webhdfs://', 'https://token', 's3://AKIA'], mirror: 's3://mirror/' },
      { match: ['https://', 's3://'], runtime: 'Thin', profile: 'web' },
    ],
  }),
]

test.each([
  'https://hunter2@host/models/llama',
  'https://token:hunter2@host/models/llama',
  'hf://user:hunter2@org/llama',
  'hf://user:x/hunter2@org/llama',
  'webhdfs://user:hunter2@namenode:9870/llama',
  's3://AKIA:hunter2@bucket/llama',
  's3://AKIA:x/hunter2@bucket/llama',
  'x://hunter2@host/llama',
])('credentials in URIs: %s', (storageUri) => {
  const installed = ['datasets', 'dataloads', 'jindoruntimes', 'thinruntimes']
  const made = plan({
    service: service({ model: { storageUri } }),
    facts: fakeFacts({ policies, installed }),
  })
  expect(made).toMatchObject({ decision: 'skip', reason: 'UnsafeUri', patch: [] })
  const { message, warnings } = made
  expect(JSON.stringify([message, warnings, siblingsOf(made)])).not.toContain('hunter2')
})

test.each(['juicefs://--conf-dir=x/llama', 'hdfs://-x:8020/llama', 'nfs://-o/llama', 's3://-b/llama'])(
  'a volume that reaches a command line as an option: %s',
  (storageUri) => {
    const made = plan({ service: service({ model: { storageUri } }), facts: fakeFacts() })
    expect(made).toMatchObject({ decision: 'skip', reason: 'UnsafeUri', patch: [] })
  },
)

test('a prefix without a slash, widened by files: Parent or by cache.scope: Source', () => {
  const sources = [{ match: ['s3://models/a'], files: 'Parent' }]
  const facts = fakeFacts({ policies: [fakePolicy('p', { sources, cache: { scope: 'Source' } })] })
  const of = (storageUri: string) => plan({ service: service({ model: { storageUri } }), facts })
  expect(of('s3://models/abc.bin')).toMatchObject({ decision: 'skip', reason: 'SingleFileSource' })
  const [dataset] = siblingsOf(of('s3://models/abc/llama'))
  expect(dataset?.spec).toMatchObject({ mounts: [{ mountPoint: 's3://models/abc/' }] })
})

test('a skipped service does not learn the prefixes of a policy', () => {
  const facts = fakeFacts({ policies: [fakePolicy('p', { sources: [{ match: ['s3://of-others/'] }] })] })
  const made = plan({ service: service({ model: { storageUri: 's3://models/llama' } }), facts })
  expect(made).toMatchObject({ decision: 'skip', reason: 'UnsupportedScheme' })
  expect(JSON.stringify([made.message, made.warnings])).not.toContain('of-others')
})
