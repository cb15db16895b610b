import type { JsonObject, KubeObject } from '../values/object.ts'

/*
 * Pods as a kubelet reports them, cut down to what says something of a start. Names, times and devices are
 * those of three teams: one that scales a language model out, one with an LLMInferenceService, one with small
 * models.
 */

interface Recorded {
  namespace: string
  name: string
  labels: { [key: string]: string }
  created: string
  /** When the storage initializer began and ended; without an end it runs. */
  download?: { start: string; end?: string; restarts?: number; failed?: [string, string] }
  ready?: string
  gpus?: string
}

const time = (clock: string) => `2026-11-24T${clock}Z`

function pod({ namespace, name, labels, created, download, ready, gpus }: Recorded): KubeObject {
  const limits: JsonObject = {
    cpu: '4',
    memory: '32Gi',
    ...(gpus === undefined ? {} : { 'nvidia.com/gpu': gpus }),
  }
  const conditions = [
    { type: 'PodReadyToStartContainers', status: 'True', lastTransitionTime: time(created) },
    {
      type: 'Ready',
      status: ready === undefined ? 'False' : 'True',
      lastTransitionTime: time(ready ?? created),
    },
    { type: 'PodScheduled', status: 'True', lastTransitionTime: time(created) },
  ]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels, creationTimestamp: time(created) },
    spec: { containers: [{ name: 'kserve-container', resources: { limits, requests: limits } }] },
    status: {
      phase: ready === undefined ? 'Pending' : 'Running',
      conditions,
      ...(download === undefined ? {} : { initContainerStatuses: [initializer(download)] }),
    },
  }
}

function initializer({ start, end, restarts = 0, failed }: NonNullable<Recorded['download']>): JsonObject {
  const state =
    end === undefined
      ? { running: { startedAt: time(start) } }
      : {
          terminated: {
            exitCode: 0,
            reason: 'Completed',
            startedAt: time(start),
            finishedAt: time(end),
            containerID: 'containerd://0f1e2d',
          },
        }
  const image = 'kserve/storage-initializer:v0.20.0'
  const [startedAt = '', finishedAt = ''] = (failed ?? []).map(time)
  const lastState =
    failed === undefined ? {} : { terminated: { exitCode: 1, reason: 'Error', startedAt, finishedAt } }
  const ready = end !== undefined
  return { name: 'storage-initializer', image, ready, restartCount: restarts, state, lastState }
}

const llama = (suffix: string) => ({
  namespace: 'chat',
  name: `llama-predictor-7d9c-${suffix}`,
  gpus: '2',
  labels: {
    'serving.kserve.io/inferenceservice': 'llama',
    component: 'predictor',
    'pod-template-hash': '7d9c',
  },
})
const small = (name: string) => ({
  namespace: 'tabular',
  name: `${name}-predictor-1`,
  labels: { 'serving.kserve.io/inferenceservice': name, component: 'predictor' },
})

const ofQwen = { 'app.kubernetes.io/part-of': 'llminferenceservice', 'app.kubernetes.io/name': 'qwen' }

export const recordedPods: KubeObject[] = [
  pod({
    ...llama('a'),
    created: '10:00:00',
    download: { start: '10:00:05', end: '10:04:30' },
    ready: '10:05:30',
  }),
  pod({
    ...llama('b'),
    created: '11:00:00',
    download: { start: '11:00:34', end: '11:05:35', restarts: 2, failed: ['11:00:04', '11:00:24'] },
    ready: '11:05:58',
  }),
  // Scaled out a moment ago: its download has not come to an end.
  pod({ ...llama('c'), created: '12:00:00', download: { start: '12:00:04' } }),
  pod({
    namespace: 'chat',
    name: 'qwen-kserve-5f-x',
    gpus: '8',
    labels: { ...ofQwen, 'kserve.io/component': 'workload' },
    created: '09:00:00',
    download: { start: '09:00:10', end: '09:02:10' },
    ready: '09:03:00',
  }),
  pod({
    ...small('iris'),
    created: '08:00:00',
    download: { start: '08:00:02', end: '08:00:06' },
    ready: '08:00:09',
  }),
  // Beside the service of the other kind, that has its name.
  pod({
    ...small('qwen'),
    namespace: 'chat',
    created: '08:00:00',
    download: { start: '08:00:02', end: '08:00:03' },
    ready: '08:00:09',
  }),
  // A pod of that service without a download.
  pod({
    namespace: 'chat',
    name: 'qwen-kserve-router-scheduler-1',
    labels: { ...ofQwen, 'app.kubernetes.io/component': 'llminferenceservice-router-scheduler' },
    created: '09:00:00',
    ready: '09:59:00',
  }),
  // A pod with a cache: nothing is downloaded.
  pod({ ...small('warm'), created: '08:00:00', ready: '08:00:06' }),
]
