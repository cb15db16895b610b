import { expect, test } from 'vitest'
import type { Json, KubeObject } from '../values/object.ts'
import { downloadOf, downloadPart } from './download.ts'

const ended = { exitCode: 0, startedAt: '2030-01-01T00:00:10Z', finishedAt: '2030-01-01T00:03:30Z' }

function pod({
  name = 'storage-initializer',
  args = ['s3://models/llama', '/mnt/models'],
  state = { terminated: ended } as Json,
} = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'llama-0' },
    spec: {
      initContainers: [{ name: 'other' }, { name, args, image: 'kserve/storage-initializer', env: [] }],
    },
    status: {
      initContainerStatuses: [
        { name: 'other', state: {} },
        { name, state, ready: true },
      ],
    },
  }
}

test('the download of a storage initializer, and its duration', () => {
  expect(downloadOf(pod())).toEqual({ uri: 's3://models/llama', tookMs: 200_000 })
})

test.each<[string, KubeObject]>([
  ['that still runs', pod({ state: { running: { startedAt: ended.startedAt } } })],
  ['that failed', pod({ state: { terminated: { ...ended, exitCode: 1 } } })],
  ['that downloaded two things', pod({ args: ['s3://a/a', '/mnt/a', 's3://b/b', '/mnt/b'] })],
  ['that says no times', pod({ state: { terminated: { exitCode: 0 } } })],
  ['of another name', pod({ name: 'download' })],
])('one %s is not measured', (_what, object) => {
  expect(downloadOf(object)).toBeUndefined()
})

test('the part that is kept of a pod says the same, and no more', () => {
  const { apiVersion, kind, metadata } = pod()
  const kept = { apiVersion, kind, metadata, ...downloadPart(pod()) }
  expect(downloadOf(kept)).toEqual(downloadOf(pod()))
  expect(JSON.stringify(kept)).not.toContain('image')
  expect(downloadPart(pod({ name: 'download' }))).toEqual({ spec: {}, status: {} })
})
