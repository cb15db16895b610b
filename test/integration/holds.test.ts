import { afterAll, beforeAll, expect, test } from 'vitest'
import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/original.ts'
import { hasGate, hasSchedulingGate } from '../../src/plan/pod.ts'
import { type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { type Stage, startStage } from '../warmgate/stage.ts'
import { condition, isTrue, podsOf } from './await.ts'
import { namespace, policy, service, sklearn } from './services.ts'

let stage: Stage

beforeAll(async () => {
  const fluid = { bindMs: 500, pollMs: 300, syncMs: 200, modelBytes: () => 2 ** 30, bytesPerSecond: 2 ** 28 }
  stage = await startStage({ initContainerSeconds: 1, fluid })
})

afterAll(async () => {
  await stage?.stop()
})

/** A service in a namespace of its own, under a policy of its own, once that governs it. */
async function governed(ns: string, spec: object): Promise<KubeObject> {
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': ns } }
  await applyAll(stage.client, [policy(ns, { namespaceSelector, ...spec }), namespace(ns)])
  const object = service(ns, 'held', sklearn(`s3://models/${ns}`))
  await until(`a policy for ${ns}`, async () => {
    const answer = await stage.client.create(resources.inferenceService, object, { dryRun: true })
    return cacheNames(answer).length > 0 || undefined
  })
  return await stage.client.create(resources.inferenceService, object)
}

async function pod(ns: string, wanted: (pod: KubeObject) => boolean): Promise<KubeObject> {
  return await until(`a pod of ${ns}/held`, async () => (await podsOf(stage.client, ns, 'held')).find(wanted))
}

test('held from scheduling: the pod takes no node before its cache is warm, and then serves at once', async () => {
  await governed('scheduling', { hold: { at: 'Scheduling' } })
  const held = await pod('scheduling', (found) => condition(found, 'warmgate.dev/cache-warm') !== undefined)
  expect(hasSchedulingGate(held)).toBe(true)
  expect(hasGate(held)).toBe(false)
  expect(stringAt(held, 'spec', 'nodeName')).toBeUndefined()
  expect(stringAt(condition(held, 'warmgate.dev/cache-warm'), 'reason')).toBe('Warming')
  expect(stringAt(condition(held, 'PodScheduled'), 'reason')).toBe('SchedulingGated')
  const ready = await pod('scheduling', (found) => isTrue(found, 'Ready'))
  expect(ready.metadata.uid).toBe(held.metadata.uid)
  expect(hasSchedulingGate(ready)).toBe(false)
  expect(stringAt(condition(ready, 'warmgate.dev/cache-warm'), 'reason')).toBe('Warm')
})

test('Revert: the service gets its manifest back, and its pods their storage initializer', async () => {
  stage.fluid.set({ bytesPerSecond: 1 })
  const hold = { onTimeout: 'Revert' }
  const admitted = await governed('revert', { hold, warmup: { timeout: '3s' } })
  expect(stringAt(admitted, 'spec', 'predictor', 'model', 'storageUri')).toMatch(/^pvc:/)
  const ready = await pod(
    'revert',
    (found) => isTrue(found, 'Ready') && listAt(found, 'spec', 'initContainers').length === 1,
  )
  expect(hasGate(ready)).toBe(false)
  const after = await stage.client.get(resources.inferenceService, { namespace: 'revert', name: 'held' })
  expect(stringAt(after, 'spec', 'predictor', 'model', 'storageUri')).toBe('s3://models/revert')
  expect(after?.metadata.annotations).toMatchObject({
    'warmgate.dev/acceleration': 'disabled',
    'warmgate.dev/reverted': 'the cache was not warm after 3s',
  })
  await until('an Event on the service', async () => {
    const { items } = await stage.client.list(resources.event, { namespace: 'revert' })
    const reverted = items.find((event) => stringAt(event, 'reason') === 'Reverted')
    return stringAt(reverted, 'regarding', 'kind') === 'InferenceService' || undefined
  })
})
