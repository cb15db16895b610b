import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { asOutdated, outdatedBy, standing } from './standing.ts'

function jindo(spec: JsonObject): KubeObject {
  return { apiVersion: 'data.fluid.io/v1alpha1', kind: 'JindoRuntime', metadata: { name: 'bloom' }, spec }
}

const made = standing(jindo({ replicas: 2, tieredstore: { levels: [{ quota: '50Gi' }] } }), undefined).object

test('a new object is as the policy asks for', () => {
  expect(made.spec).toEqual({ replicas: 2, tieredstore: { levels: [{ quota: '50Gi' }] } })
})

test('the same again is the same object, so that nothing is written twice', () => {
  const again = standing(jindo({ tieredstore: { levels: [{ quota: '50Gi' }] }, replicas: 2 }), made)
  expect(again).toEqual({ object: made, heldBack: [] })
  expect(standing(jindo({ replicas: 3, fuse: { cleanPolicy: 'OnDemand' } }), made).object).toEqual(
    standing(jindo({ replicas: 3, fuse: { cleanPolicy: 'OnDemand' } }), made).object,
  )
})

test('what Fluid takes up is written over what stands there, and the rest is named', () => {
  const wanted = jindo({
    replicas: 5,
    tieredstore: { levels: [{ quota: '90Gi' }] },
    worker: { nodeSelector: { disk: 'nvme' }, resources: { limits: { memory: '8Gi' } } },
    fuse: { cleanPolicy: 'OnDemand', args: ['-o'] },
  })
  const { object, heldBack } = standing(wanted, made)
  expect(object.spec).toEqual({
    replicas: 5,
    tieredstore: { levels: [{ quota: '50Gi' }] },
    worker: { resources: { limits: { memory: '8Gi' } } },
    fuse: { cleanPolicy: 'OnDemand' },
  })
  expect(heldBack).toEqual([
    'JindoRuntime spec.fuse.args',
    'JindoRuntime spec.tieredstore.levels',
    'JindoRuntime spec.worker.nodeSelector',
  ])
  // What went is taken up as what came.
  const back = standing(jindo({ replicas: 2, tieredstore: { levels: [{ quota: '50Gi' }] } }), object)
  expect(back.object.spec).toEqual(made.spec)
  expect(back.heldBack).toEqual([])
})

test('what defaults and others have added to the spec is no change', () => {
  const filled = { ...made, spec: { ...(made.spec as JsonObject), networkmode: 'HostNetwork' } }
  expect(standing(jindo(made.spec as JsonObject), filled)).toEqual({ object: made, heldBack: [] })
})

test('of an object that is being deleted, or says nothing of its making, nothing is kept', () => {
  const wanted = jindo({ replicas: 1 })
  const dying = { ...made, metadata: { ...made.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } }
  for (const present of [dying, jindo({ replicas: 9 })]) {
    expect(standing(wanted, present)).toMatchObject({ object: { spec: { replicas: 1 } }, heldBack: [] })
  }
})

test('a DataLoad never changes: Fluid would not look', () => {
  const load = (replicas: number): KubeObject => {
    const spec = { target: [{ path: '/', replicas }] }
    return { apiVersion: 'data.fluid.io/v1alpha1', kind: 'DataLoad', metadata: {}, spec }
  }
  const { object, heldBack } = standing(load(2), standing(load(1), undefined).object)
  expect(object.spec).toEqual({ target: [{ path: '/', replicas: 1 }] })
  expect(heldBack).toEqual(['DataLoad spec.target'])
})

test('a Dataset says what is held back, and nothing where nothing is', () => {
  const dataset: KubeObject = { apiVersion: '', kind: 'Dataset', metadata: { annotations: { a: 'b' } } }
  expect(outdatedBy(asOutdated(dataset, ['x', 'y']))).toBe('x, y')
  expect(asOutdated(dataset, [])).toBe(dataset)
  expect(outdatedBy(dataset)).toBe('')
})
