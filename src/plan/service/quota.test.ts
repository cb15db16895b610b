import { expect, test } from 'vitest'
import { namespaceLimits } from '../../fluid/quota.ts'
import type { JsonObject } from '../../values/object.ts'
import { fakeFacts, fakePolicy, fakeService } from '../plan.fake.ts'
import { plan } from '../plan.ts'

const uri = 's3://models/llama'
const service = fakeService({ model: { modelFormat: { name: 'sklearn' }, storageUri: uri } })
const limitsOf = (hard: JsonObject, used: JsonObject = {}) => {
  const quota = {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'team' },
    spec: { hard },
    status: { used },
  }
  return { limits: namespaceLimits([quota], []) }
}

test('a namespace that would never admit the pods of a cache', () => {
  const made = plan({ service, facts: fakeFacts(limitsOf({ pods: '2' })) })
  expect(made).toMatchObject({ decision: 'skip', reason: 'Quota', patch: [], caches: [] })
  expect(made.message).toBe(
    'ResourceQuota team allows 2 of pods, and the cache needs 5: make the cache smaller in its policy, or raise the quota',
  )
  expect(made.warnings).toEqual([`warmgate: not accelerated (Quota): ${made.message}`])
})

test('a policy decides how many pods there are', () => {
  const policies = [fakePolicy('small', { cache: { replicas: 1 }, warmup: { enabled: false } })]
  const few = fakeFacts({ policies, ...limitsOf({ pods: '3' }) })
  expect(plan({ service, facts: few })).toMatchObject({ decision: 'accelerate' })
  const fewer = fakeFacts({ policies, ...limitsOf({ pods: '2' }) })
  expect(plan({ service, facts: fewer })).toMatchObject({ reason: 'Quota' })
})

test('a quota that is used up for now: the service is accelerated, with a warning', () => {
  const facts = fakeFacts(limitsOf({ pods: '10' }, { pods: '8' }))
  const made = plan({ service, facts })
  expect(made.decision).toBe('accelerate')
  expect(made.warnings).toEqual([
    'warmgate: ResourceQuota team has 2 of pods left, and the cache needs 5: Fluid creates what is missing once there is room, and pods are held for that for 10m at most',
  ])
  expect(plan({ service: made.service, previous: made.service, facts }).warnings).toEqual([])
})

test('a cache that is there has its pods already, or waits for them', () => {
  const made = plan({ service, facts: fakeFacts() })
  const dataset = {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: 'Dataset',
    metadata: { name: made.caches[0]?.name ?? '', labels: { 'app.kubernetes.io/managed-by': 'warmgate' } },
  }
  const facts = fakeFacts({ datasets: [dataset], ...limitsOf({ pods: '5' }, { pods: '5' }) })
  const second = plan({ service, facts })
  expect(second).toMatchObject({ decision: 'accelerate', warnings: [] })
  const none = fakeFacts({ datasets: [dataset], ...limitsOf({ pods: '0' }) })
  expect(plan({ service, facts: none }).decision).toBe('accelerate')
})
