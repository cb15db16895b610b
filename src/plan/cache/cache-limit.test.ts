import { expect, test } from 'vitest'
import { fakeDataset } from '../../cluster/cluster.fake.ts'
import { expectLinear } from '../../values/growth.fixture.ts'
import type { KubeObject } from '../../values/object.ts'
import { fakeFacts, fakePolicy, fakeService } from '../plan.fake.ts'
import { plan } from '../plan.ts'
import { beyondCacheLimit } from './cache-limit.ts'

const service = (name: string) => fakeService({ model: { storageUri: `s3://models/${name}` } }, { name })
const policies = [fakePolicy('p', { limits: { caches: 2 } })]
const others = [fakeDataset({}, 'one-0123456789'), fakeDataset({}, 'two-0123456789')]
const teams = { ...fakeDataset({}, 'team'), metadata: { name: 'team', namespace: 'models' } } as KubeObject

test('a namespace has as many caches as its policy allows; Datasets of a team do not count', () => {
  const make = (datasets: KubeObject[]) =>
    plan({ service: service('llama'), facts: fakeFacts({ policies, datasets }) })
  expect(make([...others.slice(1), teams]).reason).toBe('Accelerated')
  expect(make(others)).toMatchObject({ decision: 'skip', reason: 'CacheLimit', patch: [] })
})

test('an existing cache does not count as a new one', () => {
  const name = plan({ service: service('llama'), facts: fakeFacts({ policies }) }).caches[0]?.name ?? ''
  const datasets = [...others, fakeDataset({}, name)]
  const again = plan({ service: service('llama'), facts: fakeFacts({ policies, datasets }) })
  expect(again.reason).toBe('Accelerated')
})

test('accelerated services stay so when a limit is lowered', () => {
  const { service: admitted } = plan({ service: service('llama'), facts: fakeFacts() })
  const later = plan({
    service: admitted,
    previous: admitted,
    facts: fakeFacts({ policies, datasets: others }),
  })
  expect(later).toMatchObject({ reason: 'AlreadyCached', patch: [] })
  expect(later.caches).toHaveLength(1)
})

test('without a policy a hundred are the most', () => {
  const datasets = [...Array(100).keys()].map((index) => fakeDataset({}, `m-${index}-0123456789`))
  const make = (some: KubeObject[]) =>
    plan({ service: service('llama'), facts: fakeFacts({ datasets: some }) })
  expect(make(datasets.slice(1)).reason).toBe('Accelerated')
  expect(make(datasets).reason).toBe('CacheLimit')
})

test('the time it takes grows with the Datasets, and no faster', () => {
  const datasets = (count: number) =>
    Array.from({ length: count }, (_, index) => fakeDataset({}, `m-${index}-0123456789`))
  expectLinear(datasets, (all) => beyondCacheLimit('llama-0123456789', all, 10), { n: 5_000 })
})
