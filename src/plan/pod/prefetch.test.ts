import { expect, test } from 'vitest'
import type { KubeObject } from '../../values/object.ts'
import { Draft } from '../draft.ts'
import { fakePolicy } from '../plan.fake.ts'
import { missedChanges } from './missed.ts'
import { planPod } from './pod.ts'
import { addPrefetch, prefetches } from './prefetch.ts'

const pod = (metadata: KubeObject['metadata'] = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata,
})
const mounts = [
  { claim: 'llama-0123456789', path: '' },
  { claim: 'models-0123456789', path: 'team/bloom' },
]

function prefetched(
  of: KubeObject,
  ...[given = mounts, sidecar = 'none' as const]: [typeof mounts?, ('none' | 'ready')?]
) {
  const draft = new Draft(of)
  addPrefetch(draft, given, { sidecar })
  return draft.object.metadata
}

const annotations = {
  'file-prefetcher.fluid.io/inject': 'true',
  'file-prefetcher.fluid.io/async-prefetch': 'true',
  'file-prefetcher.fluid.io/file-list': 'pvc://llama-0123456789/**;pvc://models-0123456789/team/bloom/**',
}
const label = 'fuse.serverful.fluid.io/inject'

test('a pod asks for Fluid’s prefetcher by its label and annotations', () => {
  expect(prefetched(pod())).toEqual({ labels: { [label]: 'true' }, annotations })
  // With a sidecar it passes through Fluid's webhook once, and not twice.
  expect(prefetched(pod(), mounts, 'ready')).toEqual({ annotations })
})

test.each<[string, KubeObject, typeof mounts]>([
  ['no cache', pod(), []],
  ['a path that would be two', pod(), [{ claim: 'models-0123456789', path: 'a;pvc://b' }]],
  ['a label of its own', pod({ labels: { [label]: 'false' } }), mounts],
  ['no wish to be injected', pod({ labels: { 'fluid.io/enable-injection': 'false' } }), mounts],
  ['a prefetcher of its own', pod({ annotations: { 'file-prefetcher.fluid.io/inject': 'false' } }), mounts],
])('a pod is left as it is: %s', (_, of, given) => {
  expect(prefetched(of, given)).toEqual(of.metadata)
})

test.each<[string, string[], boolean]>([
  ['Auto', ['huggingface'], true],
  ['Auto', ['VLLM'], true],
  ['Auto', ['onnx'], false],
  ['Auto', [], false],
  ['Always', ['onnx'], true],
  ['Never', ['vLLM'], false],
])('%s, for %j: %s', (prefetch, formats, expected) => {
  expect(prefetches(fakePolicy('p', { cache: { prefetch } }).spec, formats)).toBe(expected)
})

test('a pod that admission did not see is not replaced because it lacks a prefetcher', () => {
  const hold = { at: 'None', reason: 'NotHeld', message: '' } as const
  const input = { pod: pod(), hold, gpu: undefined, caches: [], sidecar: 'none' as const, readAhead: mounts }
  expect(missedChanges(input)).toEqual({ tolerations: undefined, fixed: [] })
})

test('a policy names the image, for a webhook of Fluid’s that has none', () => {
  const hold = { at: 'None', reason: 'NotHeld', message: '' } as const
  const input = { pod: pod(), hold, gpu: undefined, caches: [], workerLabels: [], sidecar: 'none' as const }
  const imageOf = (prefetchImage?: string) => {
    const { patch } = planPod({ ...input, readAhead: mounts, ...(prefetchImage && { prefetchImage }) })
    const path = '/metadata/annotations'
    const added = patch.find((operation) => operation.path === path)
    return JSON.stringify(added).includes('file-prefetcher.fluid.io/image":"corp/prefetcher:1"')
  }
  expect([imageOf(), imageOf('corp/prefetcher:1')]).toEqual([false, true])
})
