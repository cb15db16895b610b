import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../../values/object.ts'
import { fakeFacts, fakePolicy, fakeService } from '../plan.fake.ts'
import { type Plan, plan } from '../plan.ts'

const model = { modelFormat: { name: 'sklearn' }, storageUri: 's3://models/llama' }
const facts = fakeFacts({ policies: [fakePolicy('p')] })
const service = (annotations: { [key: string]: string } = {}, labels = {}) =>
  fakeService({ model }, { annotations, labels })
const created = (object: KubeObject, where = facts) => plan({ service: object, facts: where })
const updated = (object: KubeObject, previous: KubeObject, where = facts) =>
  plan({ service: object, previous, facts: where })
const denied = { decision: 'deny', reason: 'InvalidOverride' }

const wrong: { [key: string]: string }[] = [
  { 'warmgate.dev/acceleration': 'Disabled' },
  { 'warmgate.dev/acceleration': 'false' },
  { 'warmgate.dev/accelerate': 'disabled' },
]

describe.each(wrong)('%j', (annotations) => {
  test('is denied on a new service, and where an update brings it', () => {
    expect(created(service(annotations))).toMatchObject(denied)
    const { service: accelerated } = created(service())
    const metadata = {
      ...accelerated.metadata,
      annotations: { ...accelerated.metadata.annotations, ...annotations },
    }
    expect(updated({ ...accelerated, metadata }, accelerated)).toMatchObject(denied)
  })

  test('refuses no update of a service that has it, which stays as it is', () => {
    const { service: accelerated } = created(service())
    const metadata = {
      ...accelerated.metadata,
      annotations: { ...accelerated.metadata.annotations, ...annotations },
    }
    const before = { ...accelerated, metadata }
    expect(updated(before, before)).toMatchObject({ reason: 'AlreadyCached', patch: [] })
    for (const rewrite of ['Spec', 'Pod']) {
      const where = fakeFacts({ policies: [fakePolicy('p', { rewrite })] })
      const plain = service(annotations)
      expect(updated(plain, plain, where)).toMatchObject({
        decision: 'skip',
        reason: 'NotOptedIn',
        patch: [],
      })
    }
  })

  test('accelerates nothing, even if a user requests it', () => {
    const before = service(annotations)
    expect(plan({ service: before, previous: before, isAdopted: true, facts })).toMatchObject(denied)
  })

  test('is not checked if the service is not accelerated anyway', () => {
    const elsewhere = fakeFacts({ namespaceLabels: {} })
    expect(created(service(annotations), elsewhere)).toMatchObject({ reason: 'NotOptedIn', warnings: [] })
  })
})

test('an opt-out in the words of Warmgate is one, whatever else is written', () => {
  const annotations = { 'warmgate.dev/acceleration': 'disabled', 'warmgate.dev/accelerate': 'no' }
  expect(created(service(annotations))).toMatchObject({ reason: 'OptedOut' })
})

test('a label on a service is warned of, not obeyed', () => {
  const labelled = service({}, { 'warmgate.dev/acceleration': 'disabled' })
  const made = created(labelled)
  expect(made).toMatchObject({ decision: 'accelerate' })
  expect(made.warnings).toEqual([
    expect.stringContaining('the label warmgate.dev/acceleration of the service'),
  ])
  expect(updated(made.service, made.service).warnings).toEqual([])
})

describe('a service with a model from an Open Data Hub connection', () => {
  const annotations = { 'opendatahub.io/connections': 'my-bucket' }
  const withModel = (more: object) =>
    fakeService({ model: { modelFormat: { name: 'onnx' }, ...more } }, { annotations })

  test.each([{}, { storage: { path: 'llama' } }])('is not warned of before: %j', (more) => {
    expect(created(withModel(more))).toMatchObject({ decision: 'skip', warnings: [] })
  })

  test('is warned of once it is there, and if it names none', () => {
    for (const more of [{ storage: { key: 'my-bucket', path: 'llama' } }, { storageUri: 'hf://a/b' }])
      expect(created(withModel(more)).warnings).toHaveLength(1)
    const { metadata, ...rest } = withModel({})
    const named = { ...metadata, annotations: { 'opendatahub.io/connections': '' } }
    expect(created({ ...rest, metadata: named } as KubeObject).warnings).toHaveLength(1)
  })
})

describe('a namespace label that is neither enabled nor disabled', () => {
  const where = (said: string) =>
    fakeFacts({
      policies: [fakePolicy('p', { scope: 'Cluster' })],
      namespaceLabels: { 'warmgate.dev/acceleration': said },
    })
  const problem = (said: string) =>
    `the namespace's label warmgate.dev/acceleration: ${JSON.stringify(said)} is neither enabled nor disabled: no new service is accelerated in this namespace`

  test.each(['Disabled', 'true', ''])('%j: nothing new is accelerated, with a warning', (said) => {
    const made = created(service(), where(said))
    expect(made).toMatchObject({ reason: 'NotOptedIn', message: problem(said) })
    expect(made.warnings).toEqual([`warmgate: ${problem(said)}`])
  })

  test('an accelerated service stays so', () => {
    const { service: accelerated }: Plan = created(service())
    expect(updated(accelerated, accelerated, where('Disabled'))).toMatchObject({ reason: 'AlreadyCached' })
  })
})
