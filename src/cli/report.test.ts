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
      pods: 3,
      scaleOuts: 2,
      downloads: 2,
      restarts: 1,
      downloadSeconds: 265 + 301,
      longestSeconds: 301,
      startSeconds: 330 + 358,
      gpuSeconds: 2 * (265 + 301),
      savedSeconds: 453,
      savedGpuSeconds: 906,
    },
    expect.objectContaining({ namespace: 'chat', service: 'qwen', downloadSeconds: 120, gpuSeconds: 960 }),
    expect.objectContaining({ service: 'iris', downloads: 1, downloadSeconds: 4, gpuSeconds: 0 }),
    expect.objectContaining({ service: 'warm', pods: 1, downloads: 0, downloadSeconds: 0, savedSeconds: 0 }),
  ])
  expect(total).toMatchObject({
    service: 'all',
    pods: 6,
    downloads: 4,
    downloadSeconds: 690,
    longestSeconds: 301,
  })
  expect(assumption.saving).toBe(0.8)
})

test('table: the assumption is stated, and can be another', async () => {
  const { stdout, status } = await report([])
  expect(status).toBe(0)
  const lines = stdout.split('\n')
  expect(lines[0]).toMatch(/^NAMESPACE +SERVICE +PODS +SCALE-OUTS +DOWNLOADS/)
  expect(lines[1]).toMatch(/^chat +llama +3 +2 +2 +1 +9m 26s +5m 1s +82 % +18m 52s +7m 33s +15m 6s$/)
  expect(stdout).toContain('takes 80 % off each download')
  const { stdout: half } = await report(['--saving', '50%'])
  expect(half).toContain('takes 50 % off each download')
  expect(half.split('\n')[1]).toMatch(/4m 43s +9m 26s$/)
  expect((await report(['--saving', 'all'])).status).toBe(2)
})

test('csv: one line per service, numbers in seconds', async () => {
  const { stdout } = await report(['-o', 'csv', '-n', 'tabular'])
  expect(stdout).toBe(
    'namespace,service,pods,scaleOuts,downloads,restarts,downloadSeconds,longestSeconds,startSeconds,gpuSeconds,savedSeconds,savedGpuSeconds\n' +
      'tabular,iris,1,0,1,0,4,4,9,0,3,0\ntabular,warm,1,0,0,0,0,0,6,0,0,0\n',
  )
})

test('where there is nothing it says so', async () => {
  expect((await report([], [])).stdout).toContain('no pod of a service is there')
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
