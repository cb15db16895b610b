import { expect, test } from 'vitest'
import type { Json, JsonObject, KubeObject } from '../values/object.ts'
import { fakeFilled } from './fill.fake.ts'
import { fillJob } from './job.ts'
import { describeFill, reduceFillPod } from './stage.ts'

const job = fillJob(fakeFilled())
const pod = (
  status: JsonObject,
  { name = 'a', of = job.metadata.name ?? '', at = '2030-01-01T00:00:00Z' } = {},
) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    ...{ namespace: 'models', name, creationTimestamp: at },
    labels: { 'batch.kubernetes.io/job-name': of, other: 'label' },
  },
  spec: { containers: [] },
  status,
})
const running = (name: string, before: string[] = []): JsonObject => ({
  initContainerStatuses: [
    ...before.map((each): Json => ({ name: each, state: { terminated: { exitCode: 0 } } })),
    { name, state: { running: { startedAt: '2030-01-01T00:00:00Z' } } },
    { name: 'later', state: { waiting: { reason: 'PodInitializing' } } },
  ],
})
const unscheduled = (message: string) => ({
  conditions: [{ type: 'PodScheduled', status: 'False', message }],
})
/** As the mirror has the pods, and as `status` reads them: the same. */
function said(...pods: KubeObject[]): string {
  const [live, kept] = [pods, pods.map(reduceFillPod)].map((each) =>
    describeFill('hf://org/bloom', job, each),
  )
  expect(kept).toBe(live)
  return live ?? ''
}

test.each<[string, JsonObject, string]>([
  ['no status', {}, 'downloading hf://org/bloom into its mirror'],
  ['the first step', running('unmark'), 'downloading hf://org/bloom into its mirror'],
  ['the download', running('storage-initializer', ['unmark']), 'downloading hf://org/bloom into its mirror'],
  ['the upload', running('store', ['unmark', 'storage-initializer']), 'storing hf://org/bloom in its mirror'],
  ['the check', running('check'), 'checking hf://org/bloom in its mirror'],
  [
    'no node',
    unscheduled('0/3 nodes are available: 3 Insufficient ephemeral-storage.'),
    'the download of hf://org/bloom waits for a node: 0/3 nodes are available: 3 Insufficient ephemeral-storage.',
  ],
  [
    'no image',
    { initContainerStatuses: [{ name: 'unmark', state: { waiting: { reason: 'ImagePullBackOff' } } }] },
    'the download of hf://org/bloom waits: container unmark: ImagePullBackOff',
  ],
])('%s', (_, status, text) => {
  expect(said(pod(status))).toBe(text)
})

test('the newest pod of the Job counts, and none of another', () => {
  const old = pod(running('check'))
  const other = pod(running('check'), { name: 'c', of: 'other-fill', at: '2030-01-03T00:00:00Z' })
  expect(said(old, pod(running('store'), { name: 'b', at: '2030-01-02T00:00:00Z' }), other)).toMatch(
    /^storing/,
  )
  expect(said(other)).toMatch(/^downloading/)
})

test('no text of a pod is longer than a message may be, and only what is read is kept', () => {
  expect(said(pod(unscheduled('x'.repeat(10_000)))).length).toBeLessThan(1_000)
  const kept = reduceFillPod(pod({ ...running('store'), podIP: '10.0.0.1' }))
  expect(JSON.stringify(kept)).not.toMatch(/other|podIP|startedAt|spec/)
})
