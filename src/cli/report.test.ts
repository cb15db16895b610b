import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { main } from './program.ts'
import { recordedPods } from './report.fixture.ts'
import { reportDownloads, type ServiceReport } from './report.ts'

async function report(args: string[], pods: KubeObject[] = recordedPods) {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'PodList', items: pods })
  const outcome = { stdout: '', stderr: '' }
  const status = await main(['report', '-f', '-', ...args], {
    stdin: Readable.from([list]),
    stdout: { write: (text) => (outcome.stdout += text) },
    stderr: { write: (text) => (outcome.stderr += text) },
  })
  return { ...outcome, status }
}

test('json: what downloads cost, service by service, the costliest first', async () => {
  const { stdout } = await report(['-o', 'json'])
  const { services, total, assumption } = JSON.parse(stdout) as {
    services: ServiceReport[]
    total: ServiceReport
    assumption: JsonObject
  }
  expect(services).toEqual([
    {
      namespace: 'chat',
      service: 'llama',
      kind: 'InferenceService',
      pods: 3,
      scaleOuts: 2,
      downloads: 2,
      restarts: 2,
      running: 1,
      // Twenty of them are from the last failed attempt.
      downloadSeconds: 265 + 20 + 301,
      longestSeconds: 301,
      startSeconds: 330 + 358,
      gpuSeconds: 2 * (265 + 20 + 301),
      savedSeconds: 469,
      savedGpuSeconds: 938,
    },
    expect.objectContaining({
      namespace: 'chat',
      service: 'qwen',
      kind: 'LLMInferenceService',
      pods: 1,
      downloadSeconds: 120,
      startSeconds: 180,
      gpuSeconds: 960,
    }),
    expect.objectContaining({ service: 'iris', downloads: 1, downloadSeconds: 4, gpuSeconds: 0 }),
    expect.objectContaining({ service: 'qwen', kind: 'InferenceService', downloadSeconds: 1, gpuSeconds: 0 }),
    expect.objectContaining({ service: 'warm', pods: 1, downloads: 0, downloadSeconds: 0, savedSeconds: 0 }),
  ])
  expect(total).toMatchObject({
    service: 'all',
    pods: 7,
    downloads: 5,
    running: 1,
    downloadSeconds: 711,
    longestSeconds: 301,
  })
  expect(assumption.saving).toBe(0.8)
})

test('table: the assumption is stated, and can be another', async () => {
  const { stdout, status } = await report([])
  expect(status).toBe(0)
  const lines = stdout.split('\n')
  expect(lines[0]).toMatch(/^NAMESPACE +SERVICE +PODS +SCALE-OUTS +DOWNLOADS/)
  expect(lines[1]).toMatch(/^chat +llama +3 +2 +2 +2 +1 +9m 46s +5m 1s +85 % +19m 32s +7m 49s +15m 38s$/)
  expect(stdout).toContain('takes 80 % off each download')
  const { stdout: half } = await report(['--saving', '50%'])
  expect(half).toContain('takes 50 % off each download')
  expect(half.split('\n')[1]).toMatch(/4m 53s +9m 46s$/)
  expect((await report(['--saving', 'all'])).status).toBe(2)
})

test('csv: one line per service, numbers in seconds', async () => {
  const { stdout } = await report(['-o', 'csv', '-n', 'tabular'])
  expect(stdout).toBe(
    'namespace,service,kind,pods,scaleOuts,downloads,restarts,running,downloadSeconds,longestSeconds,startSeconds,gpuSeconds,savedSeconds,savedGpuSeconds\n' +
      'tabular,iris,InferenceService,1,0,1,0,0,4,4,9,0,3,0\n' +
      'tabular,warm,InferenceService,1,0,0,0,0,0,0,6,0,0,0\n',
  )
})

test('no pods: a message says so', async () => {
  expect((await report([], [])).stdout).toContain('there are no pods of services')
})

test('a clock that went backwards, and what is no pod of a service, count for nothing', () => {
  const [pod] = recordedPods
  if (pod === undefined) throw new Error('no pod was recorded')
  const status = {
    initContainerStatuses: [
      {
        name: 'storage-initializer',
        state: {
          terminated: { exitCode: 0, startedAt: '2026-11-24T10:00:09Z', finishedAt: '2026-11-24T10:00:01Z' },
        },
      },
    ],
  }
  expect(reportDownloads([{ ...pod, status }], 0.8)[0]).toMatchObject({ downloads: 0, downloadSeconds: 0 })
  expect(reportDownloads([{ ...pod, metadata: { name: 'other', namespace: 'chat' } }], 0.8)).toEqual([])
})

/** A pod of `llama` that holds one device for a claim, with statuses of its init containers. */
function withInit(...initContainerStatuses: JsonObject[]): KubeObject {
  const claims = [{ name: 'gpu' }, { name: 'gpu', request: 'other' }]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'chat',
      name: 'p',
      labels: { 'serving.kserve.io/inferenceservice': 'llama', component: 'predictor' },
    },
    spec: { containers: [{ resources: { claims } }, { name: 'queue-proxy' }] },
    status: { initContainerStatuses },
  }
}

const times = { startedAt: '2026-11-24T10:00:00Z', finishedAt: '2026-11-24T10:00:30Z' }
const done = { terminated: { exitCode: 0, ...times } }
const failed = { terminated: { exitCode: 1, ...times } }

test.each<[string, JsonObject[], Partial<ServiceReport>]>([
  [
    'several URIs, and an init container of another kind',
    [
      { name: 'istio-init', state: done },
      { name: 'storage-initializer', state: done },
      { name: 'storage-initializer-1', state: done },
    ],
    { downloads: 2, downloadSeconds: 60, gpuSeconds: 60 },
  ],
  [
    'a download that fails again and again',
    [{ name: 'storage-initializer', restartCount: 7, state: { waiting: {} }, lastState: failed }],
    { downloads: 0, restarts: 7, running: 0, downloadSeconds: 30, longestSeconds: 0 },
  ],
  [
    'one that has just failed',
    [{ name: 'storage-initializer', restartCount: 0, state: failed, lastState: {} }],
    { downloads: 0, restarts: 0, downloadSeconds: 30 },
  ],
  [
    'one that goes on',
    [{ name: 'storage-initializer', state: { running: { startedAt: times.startedAt } } }],
    { downloads: 0, running: 1, downloadSeconds: 0, gpuSeconds: 0 },
  ],
  [
    'one that has not begun',
    [{ name: 'storage-initializer', state: { waiting: { reason: 'PodInitializing' } } }],
    { downloads: 0, running: 0, downloadSeconds: 0 },
  ],
])('a pod with %s', (_, statuses, expected) => {
  expect(reportDownloads([withInit(...statuses)], 0.8)).toMatchObject([expected])
})

test.each(['json', 'csv', 'table'])(
  '%s: a name from a file cannot move the cursor, or be a formula',
  async (format) => {
    const evil = '=cmd|,"x"\u001b[2J\u202e\nforged'
    const pods = recordedPods.map((pod) => {
      const labels = { ...pod.metadata.labels, 'serving.kserve.io/inferenceservice': evil }
      return { ...pod, metadata: { ...pod.metadata, namespace: evil, labels } }
    })
    const { stdout } = await report(['-o', format], pods)
    expect(stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
    expect(stdout).not.toMatch(format === 'csv' ? /^(forged|=)/m : /^forged/m)
    if (format === 'json') expect(JSON.parse(stdout)).toMatchObject({ services: [{ service: evil }] })
  },
)
