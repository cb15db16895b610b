import { describe, expect, test } from 'vitest'
import type { Json, JsonObject, KubeObject, ObjectMeta } from '../../values/object.ts'
import { objectAt } from '../../values/object.ts'
import type { Facts } from '../facts.ts'
import { fakeFacts, fakePolicy, fakeService } from '../plan.fake.ts'
import { plan } from '../plan.ts'

/* The fields that a policy adds to a service, during the service's life. */

const uri = 's3://models/llama'
const gpu = { resources: { 'nvidia.com/gpu': 1 } }
const given = { limits: { 'nvidia.com/gpu': '1' }, requests: { 'nvidia.com/gpu': '1' } }
const facts = (spec: JsonObject = {}, more: Partial<Facts> = {}) =>
  fakeFacts({ policies: [fakePolicy('p', { gpu, overrides: ['gpu'], ...spec })], ...more })

const llm = (spec: JsonObject = {}, metadata: ObjectMeta = {}): KubeObject => ({
  apiVersion: 'serving.kserve.io/v1alpha2',
  kind: 'LLMInferenceService',
  metadata: { name: 'llama', namespace: 'models', ...metadata },
  spec: { model: { uri }, ...spec },
})
const main = (more: JsonObject = {}) => ({ name: 'main', resources: given, ...more })

const optedOut = (service: KubeObject): KubeObject => ({
  ...service,
  metadata: {
    ...service.metadata,
    annotations: { ...service.metadata.annotations, 'warmgate.dev/acceleration': 'disabled' },
  },
})

describe('a container that its service leaves to KServe', () => {
  test.each<[string, KubeObject, string[], Json]>([
    ['no template', llm(), ['template'], { containers: [main()] }],
    ['an empty one', llm({ template: {} }), ['template'], { containers: [main()] }],
    [
      'a container beside it',
      llm({ template: { containers: [{ name: 'side' }] } }),
      ['template', 'containers'],
      [{ name: 'side' }, main()],
    ],
    ['workers', llm({ worker: {} }), ['worker'], { containers: [main()] }],
    ['prefill', llm({ prefill: { replicas: 1 } }), ['prefill', 'template'], { containers: [main()] }],
    [
      'several nodes',
      fakeService({ huggingface: { storageUri: uri }, workerSpec: { tensorParallelSize: 1 } }),
      ['predictor', 'workerSpec', 'containers'],
      [{ name: 'worker-container', resources: given }],
    ],
  ])('is made in a service with %s, kept, and gone with it', (_, service, path, made) => {
    const { service: admitted, reason } = plan({ service, facts: facts() })
    expect(reason).toBe('Accelerated')
    expect(objectAt(admitted, 'spec', ...path.slice(0, -1))[path.at(-1) ?? '']).toEqual(made)
    for (const sent of [admitted, service]) {
      const again = plan({ service: sent, previous: admitted, facts: fakeFacts() })
      expect(again.service).toEqual(admitted)
    }
    expect(plan({ service: admitted, previous: admitted, facts: facts() }).patch).toEqual([])
    expect(plan({ service: optedOut(admitted), previous: admitted, facts: facts() }).service).toEqual(
      optedOut(service),
    )
  })

  test('keeps its devices when its user names it, and loses them alone when the service opts out', () => {
    const { service: admitted } = plan({ service: llm(), facts: facts() })
    const env = [{ name: 'A', value: 'b' }]
    const named = llm({ template: { containers: [{ name: 'main', env }] } })
    const { service: updated } = plan({ service: named, previous: admitted, facts: facts() })
    expect(updated.spec).toMatchObject({ template: { containers: [main({ env })] } })
    expect(plan({ service: optedOut(updated), previous: updated, facts: facts() }).service).toEqual(
      optedOut(named),
    )
  })

  test('is kept, whatever became of the configuration that it is a part of', () => {
    const config: KubeObject = {
      apiVersion: 'serving.kserve.io/v1alpha2',
      kind: 'LLMInferenceServiceConfig',
      metadata: { name: 'big' },
      spec: { worker: {}, template: {} },
    }
    const service = llm({ baseRefs: [{ name: 'big' }] })
    const known = facts({}, { llmConfigs: { own: [config], shared: [] } })
    const { service: admitted } = plan({ service, facts: known })
    expect(admitted.spec).toMatchObject({ worker: { containers: [main()] } })
    expect(plan({ service, previous: admitted, facts: facts() }).service).toEqual(admitted)
    expect(plan({ service: optedOut(admitted), previous: admitted, facts: facts() }).service).toEqual(
      optedOut(service),
    )
  })
})

test('devices that its user asks for later take the place of ours', () => {
  const { service: admitted } = plan({ service: llm(), facts: facts() })
  const own = { containers: [{ name: 'main', resources: { limits: { 'amd.com/gpu': '2' } } }] }
  const { service: updated } = plan({ service: llm({ template: own }), previous: admitted, facts: facts() })
  expect(updated.spec).toMatchObject({ template: own })
  expect(JSON.stringify(updated.spec)).not.toContain('nvidia.com/gpu')
})

describe('warmgate.dev/gpu', () => {
  const custom = (value?: string) =>
    fakeService(
      { containers: [{ name: 'server', env: [{ name: 'STORAGE_URI', value: uri }] }] },
      value === undefined ? {} : { annotations: { 'warmgate.dev/gpu': value } },
    )
  const resourcesOf = (service: KubeObject) => JSON.stringify(service.spec).includes('nvidia.com/gpu')

  test('asks for what the policy gives, and declines it', () => {
    expect(resourcesOf(plan({ service: custom(), facts: facts() }).service)).toBe(false)
    expect(resourcesOf(plan({ service: custom('enabled'), facts: facts() }).service)).toBe(true)
    const declined = llm({}, { annotations: { 'warmgate.dev/gpu': 'disabled' } })
    expect(resourcesOf(plan({ service: llm(), facts: facts() }).service)).toBe(true)
    expect(resourcesOf(plan({ service: declined, facts: facts() }).service)).toBe(false)
  })

  test('is heard when it changes, both ways: a changed annotation rolls the pods of itself', () => {
    const without = plan({ service: custom(), facts: facts() }).service
    const asked = plan({ service: custom('enabled'), previous: without, facts: facts() })
    expect(asked.reason).toBe('Accelerated')
    expect(resourcesOf(asked.service)).toBe(true)
    expect(plan({ service: asked.service, previous: asked.service, facts: facts() }).patch).toEqual([])
    const taken = plan({ service: custom('disabled'), previous: asked.service, facts: facts() }).service
    expect(resourcesOf(taken)).toBe(false)
    expect(optedOutOf(taken)).toEqual(optedOut(custom('disabled')))
  })

  const optedOutOf = (admitted: KubeObject) =>
    plan({ service: optedOut(admitted), previous: admitted, facts: facts() }).service

  test.each([
    ['sure', {}, 'use disabled, or enabled where the policy has a gpu to give'],
    ['enabled', { overrides: [] }, 'AccelerationPolicy p does not allow it'],
  ])('%s is denied under %j', (value, spec, says) => {
    const denied = plan({ service: custom(value), facts: facts(spec) })
    expect(denied).toMatchObject({ decision: 'deny', reason: 'InvalidOverride', patch: [] })
    expect(denied.message).toContain(says)
  })

  test('enabled is denied to a model that runs on CPUs; disabled is not', () => {
    const iris = (value: string) =>
      fakeService({ sklearn: { storageUri: uri } }, { annotations: { 'warmgate.dev/gpu': value } })
    const denied = plan({ service: iris('enabled'), facts: facts() })
    expect(denied).toMatchObject({
      decision: 'deny',
      reason: 'InvalidOverride',
      message: 'warmgate.dev/gpu: "enabled" is not valid: models of format sklearn run on CPUs',
    })
    expect(plan({ service: iris('disabled'), facts: facts() }).reason).toBe('Accelerated')
  })
})

test('a forged record makes no container but that of the model, and takes none away', () => {
  const record = JSON.stringify({
    locations: { model: { uri, cache: 'llama-0123456789' } },
    additions: {
      template: {
        added: { '/resources/limits/nvidia.com~1gpu': '1', '/image': 'evil', '/../x': 'y' },
        made: [],
        holders: ['/metadata', '/spec', '/spec/template/containers', 7],
      },
      evil: { added: { '/containers/0/image': 'evil' }, made: [], holders: ['/spec'] },
    },
  })
  const annotations = { 'warmgate.dev/original': record }
  const service = llm({ template: { containers: [{ name: 'main', env: [] }] } }, { annotations })
  const made = plan({ service, facts: facts() })
  expect(JSON.stringify(made.service.spec)).not.toContain('evil')
  const out = plan({ service: optedOut(made.service), previous: made.service, facts: facts() })
  expect(out.service.spec).toEqual(service.spec)
})

test('an audit reports what a service would get', () => {
  const audit = (service: KubeObject, more: JsonObject = {}) =>
    plan({ service, facts: facts({ mode: 'Audit', ...more }) }).message
  const both = llm({ worker: {}, prefill: { parallelism: { tensor: 2 } } })
  expect(audit(both)).toMatch(
    /^s3:\S+ would be served from cache \S+; it would get nvidia.com\/gpu: 1 in template, worker; nvidia.com\/gpu: 2 in prefill$/,
  )
  const iris = fakeService({ sklearn: { storageUri: uri } })
  expect(audit(iris)).not.toContain('get')
  const named = fakeService({ huggingface: { storageUri: uri } })
  expect(audit(named)).toContain('nvidia.com/gpu: 1 in predictor')
  expect(audit(named, { rewrite: 'Pod' })).not.toContain('get')
})
