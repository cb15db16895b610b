import jsonPatch from 'fast-json-patch'
import { expect, test } from 'vitest'
import { fakePod } from '../../cluster/cluster.fake.ts'
import { claimMounts } from '../../kserve/pod.ts'
import { type KubeObject, listAt } from '../../values/object.ts'
import { Draft } from '../draft.ts'
import { addSidecar, awaitsSidecar, optsOut } from './sidecar.ts'

function admitted(pod: KubeObject, state: 'pending' | 'ready'): KubeObject {
  const draft = new Draft(pod)
  addSidecar(draft, state, claimMounts(pod))
  return jsonPatch.applyPatch(structuredClone(pod), draft.patch(), true).newDocument
}

test('ready: Fluid’s label, and a note of what its webhook will put a host path in the place of', () => {
  const pod = admitted(fakePod({ claims: ['bloom', 'llama'] }), 'ready')
  expect(pod.metadata.labels).toMatchObject({ 'serverless.fluid.io/inject': 'true', component: 'predictor' })
  expect(pod.spec).toEqual(fakePod({ claims: ['bloom', 'llama'] }).spec)
  const mounts = claimMounts(pod)
  expect(mounts.map(({ claim }) => claim)).toEqual(['bloom', 'llama'])
  expect(claimMounts({ ...pod, spec: { volumes: [] } })).toEqual(mounts)
  expect(awaitsSidecar(pod)).toBe(false)
})

test('pending: no label, and no node', () => {
  const pod = admitted(fakePod(), 'pending')
  expect(pod.metadata.labels).not.toHaveProperty('serverless.fluid.io/inject')
  expect(listAt(pod, 'spec', 'schedulingGates')).toEqual([{ name: 'warmgate.dev/cache-warm' }])
  expect(awaitsSidecar(pod)).toBe(true)
  expect(admitted(pod, 'pending')).toEqual(pod)
})

test('a pod with labels about injection is not changed', () => {
  expect(optsOut(fakePod())).toBe(false)
  expect(optsOut(fakePod({ labels: { 'serverless.fluid.io/inject': 'false' } }))).toBe(true)
  expect(optsOut(fakePod({ labels: { 'fluid.io/enable-injection': 'false' } }))).toBe(true)
})
