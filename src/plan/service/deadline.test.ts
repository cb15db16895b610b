import { expect, test } from 'vitest'
import { shippedKserveConfig } from '../../kserve/config.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { stringAt } from '../../values/object.ts'
import { fakeFacts, fakePolicy, fakeService } from '../plan.fake.ts'
import { plan } from '../plan.ts'

const key = 'serving.knative.dev/progress-deadline'
const model = { modelFormat: { name: 'sklearn' }, storageUri: 's3://models/llama' }
const knative = { 'serving.kserve.io/deploymentMode': 'Knative' }
const policies = [fakePolicy('p', { warmup: { timeout: '45m' } })]

function admitted(service: KubeObject, more: object = {}, previous?: KubeObject): KubeObject {
  const facts = fakeFacts({ policies, ...more })
  return plan({ service, facts, ...(previous === undefined ? {} : { previous }) }).service
}

const service = (annotations: { [key: string]: string }, predictor: JsonObject = {}) =>
  fakeService({ model, ...predictor }, { annotations })
const deadline = (object: KubeObject) => stringAt(object, 'spec', 'predictor', 'annotations', key)

test.each([
  ['Knative', knative],
  ['Knative by its older name', { 'serving.kserve.io/deploymentMode': 'Serverless' }],
])('%s waits for the hold, and as long again as it would have', (_, annotations) => {
  expect(deadline(admitted(service(annotations)))).toBe('3300s')
})

test('Knative as the default of the cluster, or as the current mode of the service', () => {
  const kserve = { ...shippedKserveConfig, deploymentMode: 'Knative' }
  expect(deadline(admitted(service({}), { kserve }))).toBe('3300s')
  const running = { ...service({}), status: { deploymentMode: 'Knative' } }
  expect(deadline(admitted(running))).toBe('3300s')
  expect(
    deadline(admitted(service({ 'serving.kserve.io/deploymentMode': 'Standard' }), { kserve })),
  ).toBeUndefined()
})

test('a deadline that its user has named stays, on the service or on the predictor, longer or shorter', () => {
  expect(deadline(admitted(service({ ...knative, [key]: '2h' })))).toBeUndefined()
  expect(deadline(admitted(service(knative, { annotations: { [key]: '60s' } })))).toBe('60s')
})

test('nothing waits: nothing is raised', () => {
  expect(deadline(admitted(service({})))).toBeUndefined()
  expect(deadline(admitted(service({ ...knative, 'warmgate.dev/hold': 'None' })))).toBeUndefined()
})

test('another timeout in the policy rolls no pod, and opting out gives the manifest back', () => {
  const original = service(knative)
  const first = admitted(original)
  const longer = [fakePolicy('p', { warmup: { timeout: '3h' } })]
  expect(admitted(first, { policies: longer }, first)).toEqual(first)
  const optOut = { 'warmgate.dev/acceleration': 'disabled' }
  const metadata = { ...first.metadata, annotations: { ...first.metadata.annotations, ...optOut } }
  expect(admitted({ ...first, metadata }, {}, first)).toEqual(service({ ...knative, ...optOut }))
})

const podPolicy = [fakePolicy('p', { rewrite: 'Pod' })]
const planned = (annotations: { [key: string]: string }, policies = podPolicy, predictor: JsonObject = {}) =>
  plan({ service: service(annotations, predictor), facts: fakeFacts({ policies }) })

test('without a deadline of Warmgate the hold ends half-way to Knative’s, with a warning', () => {
  const { hold, warnings } = planned(knative)
  expect(hold?.timeoutMs).toBe(5 * 60_000)
  expect(warnings).toEqual([
    'warmgate: Knative gives up on a revision that is not Ready after 10m, so its pods are held for 5m at most, and not ' +
      'for 30m: set serving.knative.dev/progress-deadline: 2400s on the predictor',
  ])
})

test.each([
  ['40m', 30],
  ['25m', 15],
  ['8m', 4],
  ['nonsense', 5],
])('a deadline of %s by its user leaves %i minutes, also where the spec is rewritten', (named, minutes) => {
  for (const policies of [podPolicy, [fakePolicy('p')]]) {
    expect(planned({ ...knative, [key]: named }, policies).hold?.timeoutMs).toBe(minutes * 60_000)
    const { hold } = planned({ ...knative, [key]: '3h' }, policies, { annotations: { [key]: named } })
    expect(hold?.timeoutMs).toBe(minutes * 60_000)
  }
})

test('a deadline of Warmgate bounds nothing, nor does one where there is no Knative', () => {
  const whole = { hold: { timeoutMs: 30 * 60_000 }, warnings: [] }
  expect(planned(knative, [fakePolicy('p')])).toMatchObject(whole)
  expect(planned({ [key]: '60s' })).toMatchObject(whole)
  const llm = { apiVersion: 'serving.kserve.io/v1alpha2', kind: 'LLMInferenceService' }
  const spec = { model: { uri: 's3://models/llama' } }
  const facts = fakeFacts({ policies: [fakePolicy('p')], kserve: shippedKserveConfig })
  expect(plan({ service: { ...llm, metadata: { name: 'l' }, spec }, facts })).toMatchObject(whole)
})
