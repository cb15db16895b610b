import jsonPatch from 'fast-json-patch'
import { expect, test } from 'vitest'
import { fakePod } from '../../cluster/cluster.fake.ts'
import { type Json, type JsonObject, objectAt } from '../../values/object.ts'
import { Draft } from '../draft.ts'
import { addLocality } from './locality.ts'

const label = 'fluid.io/s-models-llama'
const near = (weight: number, key = label): Json => ({
  weight,
  preference: { matchExpressions: [{ key, operator: 'In', values: ['true'] }] },
})
const zone = { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['a'] }

/** The affinity of a pod as it is admitted, after the patch has been seen to apply. */
function affinity(spec: JsonObject, labels: { [key: string]: string } = {}, near = [label]): JsonObject {
  const pod = { ...fakePod({ labels }), spec }
  const draft = new Draft(pod)
  addLocality(draft, near)
  const patched = jsonPatch.applyPatch(structuredClone(pod), draft.patch(), true).newDocument
  return objectAt(patched, 'spec', 'affinity')
}

test('a pod prefers the nodes that hold its caches', () => {
  for (const spec of [{}, { affinity: null }, { affinity: {} }, { affinity: { nodeAffinity: {} } }]) {
    expect(affinity(spec, {}, [label, 'fluid.io/s-u-1'])).toEqual({
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [near(100), near(100, 'fluid.io/s-u-1')],
      },
    })
  }
})

test('the user’s required affinity stays, and the user’s preferences have more weight', () => {
  const podAffinity = { preferredDuringSchedulingIgnoredDuringExecution: [] }
  const required = { nodeSelectorTerms: [{ matchExpressions: [zone] }] }
  const own = { weight: 5, preference: { matchExpressions: [zone] } }
  const nodeAffinity = {
    requiredDuringSchedulingIgnoredDuringExecution: required,
    preferredDuringSchedulingIgnoredDuringExecution: [own],
  }
  expect(affinity({ affinity: { podAffinity, nodeAffinity } })).toEqual({
    podAffinity,
    nodeAffinity: { ...nodeAffinity, preferredDuringSchedulingIgnoredDuringExecution: [own, near(1)] },
  })
})

test('a second pass adds nothing, nor does a first one where the user names the label', () => {
  const first = affinity({})
  expect(affinity({ affinity: first })).toEqual(first)
  const notThere = { matchExpressions: [{ key: label, operator: 'DoesNotExist' }] }
  const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [notThere] } }
  expect(affinity({ affinity: { nodeAffinity: required } })).toEqual({ nodeAffinity: required })
  expect(affinity({ nodeSelector: { [label]: 'true' } })).toEqual({})
})

test('the work of Fluid’s webhook is not repeated, and excluded pods are not changed', () => {
  expect(affinity({}, { 'fuse.serverful.fluid.io/inject': 'true' })).toEqual({})
  expect(affinity({}, { 'fluid.io/enable-injection': 'false' })).toEqual({})
})
