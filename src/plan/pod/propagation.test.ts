import jsonPatch from 'fast-json-patch'
import { expect, test } from 'vitest'
import { fakePod } from '../../cluster/cluster.fake.ts'
import type { JsonObject } from '../../values/object.ts'
import { Draft } from '../draft.ts'
import { missedChanges } from './missed.ts'
import { addPropagation } from './propagation.ts'

const mount = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  mountPath: `/mnt/${name}`,
  ...more,
})
const volume = (name: string, claimName: string): JsonObject => ({
  name,
  persistentVolumeClaim: { claimName },
})
const volumes = [volume('model', 'bloom-0123456789'), volume('data', 'own'), { name: 'tmp', emptyDir: {} }]

/** The mounts of each container as they are admitted, after the patch has been seen to apply. */
function mounts(...containers: JsonObject[][]): unknown {
  const spec = { volumes, containers: containers.map((volumeMounts) => ({ volumeMounts })) }
  const pod = { ...fakePod({}), spec }
  const draft = new Draft(pod)
  addPropagation(draft, ['bloom-0123456789'])
  const patched = jsonPatch.applyPatch(structuredClone(pod), draft.patch(), true).newDocument
  return patched.spec.containers.map(({ volumeMounts }) => volumeMounts)
}

test('every mount of a cache sees mounts that the node restores, and no other mount does', () => {
  const others = [mount('data'), mount('tmp')]
  expect(mounts([...others, mount('model')], [mount('model', { subPath: 'llama' })])).toEqual([
    [...others, mount('model', { mountPropagation: 'HostToContainer' })],
    [mount('model', { subPath: 'llama', mountPropagation: 'HostToContainer' })],
  ])
})

test.each(['None', 'HostToContainer'])('the user’s own value %s stays', (mountPropagation) => {
  const own = mount('model', { mountPropagation })
  expect(mounts([own])).toEqual([[own]])
})

test('a pod that opts out of Fluid’s injection is not changed', () => {
  const pod = { ...fakePod({ labels: { 'fluid.io/enable-injection': 'false' } }) }
  const draft = new Draft({ ...pod, spec: { volumes, containers: [{ volumeMounts: [mount('model')] }] } })
  addPropagation(draft, ['bloom-0123456789'])
  expect(draft.patch()).toEqual([])
})

test('a pod that does not mount the cache yet is not changed', () => {
  const pod = fakePod({})
  const draft = new Draft(pod)
  addPropagation(draft, ['bloom-0123456789'])
  expect(draft.patch()).toEqual([])
})

test('a pod that admission did not see is not replaced because it lacks a propagation', () => {
  const spec = { volumes, containers: [{ volumeMounts: [mount('model')] }] }
  const hold = { at: 'None', reason: 'NotHeld', message: '' } as const
  const facts = { hold, gpu: undefined, caches: [], claims: ['bloom-0123456789'], sidecar: 'none' as const }
  expect(missedChanges({ ...facts, pod: { ...fakePod({}), spec } })).toEqual({
    tolerations: undefined,
    fixed: [],
  })
})
