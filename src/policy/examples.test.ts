import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { fakeFacts, fakeService } from '../plan/plan.fake.ts'
import { type Plan, plan, siblingsOf } from '../plan/plan.ts'
import { type KubeObject, objectAt, stringAt } from '../values/object.ts'
import { type Policy, parsePolicy } from './policy.ts'

const page = await readFile(new URL('../../docs/policy.md', import.meta.url), 'utf8')
const policies = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']): Policy => {
  const parsed = parsePolicy(parse(text) as KubeObject)
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  return parsed.policy
})

/** The plan of a service with all five policies. */
function planned(uri: string, { team = '', labels = {}, annotations = {} }): Plan {
  const model = { modelFormat: { name: 'huggingface' }, storageUri: uri }
  const facts = fakeFacts({
    policies,
    namespaceLabels: { 'warmgate.dev/acceleration': 'enabled', team },
    secrets: {
      'oss-access': {
        name: 'oss-access',
        keys: ['fs.oss.accessKeyId', 'fs.oss.accessKeySecret'],
        annotations: {},
        options: {},
        entries: {},
      },
    },
  })
  return plan({ service: fakeService({ model }, { labels, annotations }), facts })
}

const runtimeOf = (made: Plan) => siblingsOf(made).find(({ kind }) => kind.endsWith('Runtime'))

test('the page has five policies', () => {
  expect(policies.map(({ name }) => name)).toEqual(['language-models', 'tabular', 'oss', 'try-out', 'gold'])
})

test('language models: a large cache, a GPU, and a bound for those who want more', () => {
  const made = planned('s3://models/llm/llama', { team: 'language' })
  expect(made).toMatchObject({ reason: 'Accelerated', policy: 'language-models' })
  expect(objectAt(runtimeOf(made), 'spec')).toMatchObject({
    replicas: 4,
    tieredstore: { levels: [{ path: '/mnt/nvme0/cache,/mnt/nvme1/cache', quotaList: '500Gi,500Gi' }] },
    master: { nodeSelector: { 'example.com/disks': 'nvme' } },
    worker: { nodeSelector: { 'example.com/disks': 'nvme' } },
  })
  expect(objectAt(made.service, 'spec', 'predictor', 'model', 'resources')).toEqual({
    limits: { 'nvidia.com/gpu': '1' },
    requests: { 'nvidia.com/gpu': '1' },
  })
  expect(made.hold?.timeoutMs).toBe(3_600_000)
  const greedy = planned('s3://models/llm/llama', {
    team: 'language',
    annotations: { 'warmgate.dev/cache-size': '2Ti' },
  })
  expect(greedy).toMatchObject({ decision: 'deny', message: expect.stringContaining('at most 1Ti') })
  expect(planned('s3://others/llama', { team: 'language' }).decision).toBe('skip')
})

test('tabular: a small cache in memory, nothing waits, nothing may be overridden', () => {
  const made = planned('s3://tables/iris', { team: 'tabular' })
  expect(made).toMatchObject({ reason: 'Accelerated', policy: 'tabular' })
  expect(made.hold).toBeUndefined()
  expect(stringAt(runtimeOf(made), 'spec', 'tieredstore', 'levels', 0, 'path')).toBe('/dev/shm')
  const nameOf = (plan: Plan) => siblingsOf(plan)[0]?.metadata.name
  expect(nameOf(planned('s3://tables/wine', { team: 'tabular' }))).toBe(nameOf(made))
  const annotations = { 'warmgate.dev/hold': 'Readiness' }
  expect(planned('s3://tables/iris', { team: 'tabular', annotations }).decision).toBe('deny')
})

test('oss: the Secret and the endpoint are the policy’s', () => {
  const made = planned('oss://vision-models/yolo', { team: 'vision' })
  expect(made).toMatchObject({ reason: 'Accelerated', policy: 'oss' })
  const text = JSON.stringify(siblingsOf(made))
  expect(text).toContain('oss-access')
  expect(text).toContain('oss-cn-hangzhou-internal.aliyuncs.com')
})

test('try-out: everybody else sees what would happen, and nothing does', () => {
  const made = planned('s3://any/model', {})
  expect(made).toMatchObject({ decision: 'skip', reason: 'AuditOnly', policy: 'try-out', patch: [] })
  expect(siblingsOf(made)).toEqual([])
})

test('gold: a labelled service is kept until it is warm', () => {
  const made = planned('s3://any/model', { labels: { tier: 'gold' } })
  expect(made).toMatchObject({ reason: 'Accelerated', policy: 'gold' })
  expect(made.hold).toMatchObject({ onTimeout: 'Keep', onFailure: 'Keep' })
})
