import { expect, test } from 'vitest'
import { reduceGatedPod, reduceJob } from '../cluster/reduce.ts'
import type { KubeObject } from '../values/object.ts'
import { gatedPod, suspendedJob } from './suspension.ts'

const created = { creationTimestamp: '2030-01-01T00:00:00Z' }
const queue = { 'kueue.x-k8s.io/queue-name': 'default' }

function job(suspend: boolean, labels = {}): KubeObject {
  const metadata = { name: 'llama-loader-job', namespace: 'models', labels, ...created }
  return { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: { suspend, template: {} } }
}

function pod(schedulingGates: { name: string }[], release = 'llama'): KubeObject {
  const labels = { 'fluid.io/managed-by': 'fluid', release, ...queue }
  const metadata = { name: 'llama-worker-0', namespace: 'models', labels, ...created }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { schedulingGates, containers: [] } }
}

test('a suspended Job has the name of its queue, if it is known; the mirror keeps only that', () => {
  const sinceMs = Date.UTC(2030, 0, 1)
  expect(suspendedJob(reduceJob(job(true, queue)))).toEqual({
    sinceMs,
    message: 'its loading Job is suspended by Kueue (LocalQueue default)',
  })
  expect(suspendedJob(job(true))?.message).toBe('its loading Job is suspended')
  expect(suspendedJob(reduceJob(job(false, queue)))).toBeUndefined()
  expect(reduceJob(job(false)).spec).toBeUndefined()
})

test('a gated pod of a cache says which gate it has; the mirror keeps no other', () => {
  const gated = pod([{ name: 'kueue.x-k8s.io/admission' }])
  const key = { namespace: 'models', name: 'llama' }
  expect(gatedPod([reduceGatedPod(gated) ?? job(true)], key)).toEqual({
    sinceMs: Date.UTC(2030, 0, 1),
    message:
      'its pod llama-worker-0 is not scheduled: it has the gate kueue.x-k8s.io/admission by Kueue (LocalQueue default)',
  })
  expect(gatedPod([gated], { ...key, name: 'other' })).toBeUndefined()
  expect(reduceGatedPod(pod([]))).toBeUndefined()
})
