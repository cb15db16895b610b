import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { claimMounts, claimsOf, servesModel, serviceOfPod } from './pod.ts'

const pod = (
  labels: { [key: string]: string },
  annotations: { [key: string]: string } = {},
  volumes: JsonObject[] = [],
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', labels, annotations },
  spec: { volumes },
})

const predictor = { 'serving.kserve.io/inferenceservice': 'llama', component: 'predictor' }
const workload = {
  'app.kubernetes.io/part-of': 'llminferenceservice',
  'app.kubernetes.io/name': 'llama',
  'kserve.io/component': 'workload',
}
const component = 'app.kubernetes.io/component'
const { 'kserve.io/component': _, ...unrouted } = workload
const worker = { ...unrouted, [component]: 'llminferenceservice-workload-worker' }
const mounts = (claimName: string) => ({ name: claimName, persistentVolumeClaim: { claimName } })
const source = 'internal.serving.kserve.io/storage-initializer-sourceuri'

test('a pod’s labels name its service', () => {
  expect(serviceOfPod(pod(predictor))).toEqual({ kind: 'InferenceService', name: 'llama' })
  expect(serviceOfPod(pod(workload))).toEqual({ kind: 'LLMInferenceService', name: 'llama' })
  expect(serviceOfPod(pod({ 'app.kubernetes.io/name': 'llama' }))).toBeUndefined()
  expect(serviceOfPod({ ...pod({}), metadata: {} })).toBeUndefined()
})

test.each([
  ['a predictor', predictor, true],
  ['a workload', workload, true],
  ['a worker behind a leader', worker, true],
  ['a prefill worker', { ...worker, [component]: 'llminferenceservice-workload-worker-prefill' }, true],
  ['a scheduler', { ...worker, [component]: 'llminferenceservice-router-scheduler' }, false],
  ['a transformer', { ...predictor, component: 'transformer' }, false],
  ['an explainer', { ...predictor, component: 'explainer' }, false],
  ['a router', { ...workload, 'kserve.io/component': 'router' }, false],
  ['a pod that says so of itself', { component: 'predictor', 'kserve.io/component': 'workload' }, false],
])('%s: serves the model or not', (_, labels, serves) => {
  expect(servesModel(pod(labels))).toBe(serves)
})

test('the claims that a pod mounts, and those that KServe’s webhook will add', () => {
  const config = { name: 'config', configMap: { name: 'config' } }
  expect(claimsOf(pod(predictor, {}, [config, mounts('a'), mounts('b')]))).toEqual(['a', 'b'])
  expect(claimsOf(pod(predictor, { [source]: 'pvc://c/models/x' }))).toEqual(['c'])
  expect(claimsOf(pod(predictor, { [source]: 'pvc://a' }, [mounts('a')]))).toEqual(['a'])
  expect(claimsOf(pod(predictor, { [source]: 's3://bucket/model' }))).toEqual([])
})

test('a pod may mount a path of a claim, in a container or by KServe’s annotation', () => {
  const containers = [
    {
      volumeMounts: [
        { name: 'a', subPath: 'models/x/' },
        { name: 'a', subPath: 'y' },
      ],
    },
  ]
  const mounting = { ...pod(predictor, { [source]: 'pvc://a//y' }, [mounts('a'), mounts('b')]) }
  const both = { ...mounting, spec: { ...(mounting.spec as JsonObject), containers } }
  expect(claimMounts(both)).toEqual([
    { claim: 'a', path: 'models/x' },
    { claim: 'a', path: 'y' },
    { claim: 'b', path: '' },
  ])
})

test('a claim that KServe’s initializer copies a path from is not waited for as a whole', () => {
  const copying = pod(predictor, { [source]: 'pvc://a/llama' }, [mounts('a'), mounts('b')])
  const initContainers = [
    {
      name: 'storage-initializer',
      args: ['/mnt/pvc/llama'],
      volumeMounts: [{ name: 'a', mountPath: '/mnt/pvc' }],
    },
  ]
  const spec = { ...(copying.spec as JsonObject), initContainers, containers: [{ name: 'kserve-container' }] }
  expect(claimMounts({ ...copying, spec })).toEqual([
    { claim: 'b', path: '' },
    { claim: 'a', path: 'llama' },
  ])
})

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i))

test('the first 256 volumes and mounts count, and KServe’s annotation always does', () => {
  const many = pod(
    predictor,
    { [source]: 'pvc://own/x' },
    times(300, (index) => mounts(`c${index}`)),
  )
  const claims = claimsOf(many)
  expect(claims).toHaveLength(257)
  expect([claims[255], claims[256]]).toEqual(['c255', 'own'])
  const volumeMounts = times(300, (index) => ({ name: 'c0', subPath: `s${index}` }))
  const paths = claimMounts({ ...many, spec: { volumes: [mounts('c0')], containers: [{ volumeMounts }] } })
  expect(paths).toHaveLength(257)
})

test('a claim with a name that is too long is ignored, and a path that is too long is the root', () => {
  expect(claimMounts(pod(predictor, { [source]: `pvc://${'c'.repeat(254)}` }))).toEqual([])
  expect(claimMounts(pod(predictor, { [source]: `pvc://c/${'x'.repeat(2_048)}` }))).toEqual([
    { claim: 'c', path: '' },
  ])
  const announced = Array.from({ length: 300 }, (_, index) => `c${index}/`).join(',')
  expect(claimMounts(pod(predictor, { 'warmgate.dev/mounts': announced }))).toHaveLength(256)
})
