import { expect, test } from 'vitest'
import type { Json, JsonObject, KubeObject } from '../../values/object.ts'
import { fakeFacts, fakePolicy, fakeService } from '../plan.fake.ts'
import { type Plan, plan } from '../plan.ts'

const model = { modelFormat: { name: 'huggingface' }, storageUri: 's3://models/llama' }

function runtime(container: JsonObject): KubeObject {
  const supportedModelFormats = [{ name: 'huggingface', autoSelect: true }]
  const containers = [
    { name: 'sidecar', livenessProbe: {} },
    { name: 'kserve-container', ...container },
  ]
  return {
    apiVersion: 'serving.kserve.io/v1alpha1',
    kind: 'ClusterServingRuntime',
    metadata: { name: 'hf' },
    spec: { supportedModelFormats, containers },
  }
}

interface Input {
  own?: JsonObject
  its?: JsonObject
  policy?: Json
}

const atReadiness = { hold: { at: 'Readiness' } }

function planned({ own = {}, its = {}, policy = {} }: Input): Plan {
  const service = fakeService({ model: { ...model, ...own } })
  const servingRuntimes = { own: [], cluster: [runtime(its)] }
  return plan({ service, facts: fakeFacts({ policies: [fakePolicy('p', policy)], servingRuntimes }) })
}

/** Holds at Readiness, unless the policy sets another. */
const warnings = ({ policy, ...input }: Input) =>
  planned({ ...input, policy: { ...atReadiness, ...(policy as JsonObject) } }).warnings

const tenMinutes = { failureThreshold: 60 }

test('a startup probe that is shorter than the hold is warned of, with what to do', () => {
  expect(warnings({ own: { startupProbe: tenMinutes } })).toEqual([
    'warmgate: the startup probe of predictor kills a server that has not started after 10m, and while its pod is held ' +
      '(up to 30m) it reads from a cold cache: raise it, or set warmgate.dev/hold: Auto or Scheduling',
  ])
})

test.each<[string, Input, string]>([
  [
    'the runtime’s',
    { its: { startupProbe: tenMinutes } },
    'startup probe of predictor (of ServingRuntime hf) kills a server that has not started after 10m',
  ],
  [
    'a liveness probe, without a startup probe',
    { own: { livenessProbe: { initialDelaySeconds: 60 } } },
    'liveness probe of predictor kills a server that has not started after 1m 30s',
  ],
  [
    'a field of the runtime’s',
    { its: { startupProbe: { periodSeconds: 20 } }, own: { startupProbe: tenMinutes } },
    'not started after 20m',
  ],
  [
    'one that is shorter than a longer hold',
    { own: { startupProbe: { failureThreshold: 180 } }, policy: { warmup: { timeout: '2h' } } },
    'not started after 30m, and while its pod is held (up to 2h)',
  ],
])('%s counts', (_what, input, words) => {
  expect(warnings(input)).toEqual([expect.stringContaining(words)])
})

test.each<[string, Input]>([
  ['no probe', {}],
  [
    'a startup probe as long as the hold',
    { own: { startupProbe: { failureThreshold: 60, periodSeconds: 30 } } },
  ],
  [
    'a liveness probe that waits for such a one',
    { own: { startupProbe: { failureThreshold: 180 }, livenessProbe: {} } },
  ],
  ['a readiness probe, which kills nobody', { own: { readinessProbe: {} } }],
  [
    'a pod that is held from scheduling',
    { own: { startupProbe: tenMinutes }, policy: { hold: { at: 'Scheduling' } } },
  ],
  ['a pod that is not held', { own: { startupProbe: tenMinutes }, policy: { hold: { at: 'None' } } }],
])('%s: no warning', (_what, input) => {
  expect(warnings(input)).toEqual([])
})

test('updates give no warning, and neither does a service that is not accelerated', () => {
  const service = fakeService({ model: { ...model, startupProbe: tenMinutes } })
  const facts = fakeFacts({ policies: [fakePolicy('p', atReadiness)] })
  const admitted = plan({ service, facts })
  expect(admitted.warnings).toHaveLength(1)
  expect(plan({ service: admitted.service, previous: admitted.service, facts }).warnings).toEqual([])
  const transformer = { containers: [{ name: 't', env: [{ name: 'STORAGE_URI', value: 's3://models/t' }] }] }
  const local = {
    modelFormat: { name: 'sklearn' },
    storageUri: 'pvc://claim/model',
    startupProbe: tenMinutes,
  }
  const mixed = { ...fakeService({ model: local }), spec: { predictor: { model: local }, transformer } }
  expect(plan({ service: mixed, facts }).warnings.join()).not.toContain('probe')
})

/** With KServe's preset; its startup probe allows ten minutes. */
function llmPlan(main: JsonObject, policy: Json = {}): Plan {
  const preset = { containers: [{ name: 'main', startupProbe: tenMinutes }] }
  const config = {
    apiVersion: 'serving.kserve.io/v1alpha2',
    kind: 'LLMInferenceServiceConfig',
    metadata: { name: 'kserve-config-llm-template' },
    spec: { template: preset },
  }
  const service: KubeObject = {
    apiVersion: 'serving.kserve.io/v1alpha2',
    kind: 'LLMInferenceService',
    metadata: { name: 'llama', namespace: 'models' },
    spec: { model: { uri: 's3://models/llama' }, template: { containers: [{ name: 'main', ...main }] } },
  }
  const llmConfigs = { own: [], shared: [config] }
  return plan({ service, facts: fakeFacts({ policies: [fakePolicy('p', policy)], llmConfigs }) })
}

test('an LLMInferenceService has the probes of its preset, and its own over them', () => {
  const given = 'the startup probe of template (of a preset or configuration of KServe, not of the service)'
  expect(llmPlan({}, atReadiness).warnings).toEqual([expect.stringContaining(given)])
  expect(llmPlan({ startupProbe: { periodSeconds: 60 } }, atReadiness).warnings).toEqual([])
})

test('Auto holds such a server at Scheduling, says why, and warns of nothing', () => {
  expect(llmPlan({})).toMatchObject({
    hold: { at: 'Scheduling' },
    warnings: [],
    holdReason:
      'the startup probe of template (of a preset or configuration of KServe, not of the service) kills a server that has not started after 10m',
  })
  expect(planned({ its: { livenessProbe: {} } }).hold?.at).toBe('Scheduling')
})

test('Auto holds any other at Readiness', () => {
  const long = { startupProbe: { failureThreshold: 180 } }
  for (const input of [{}, { own: long }, { its: { startupProbe: {} }, own: long }])
    expect(planned(input)).toMatchObject({ hold: { at: 'Readiness' }, holdReason: undefined, warnings: [] })
})

test('the word of a policy wins over Auto, either way', () => {
  expect(planned({ own: { startupProbe: tenMinutes }, policy: atReadiness }).hold?.at).toBe('Readiness')
  expect(planned({ policy: { hold: { at: 'Scheduling' } } })).toMatchObject({
    hold: { at: 'Scheduling' },
    holdReason: undefined,
  })
})
