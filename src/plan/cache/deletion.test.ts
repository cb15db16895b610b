import { expect, test } from 'vitest'
import { cacheName, fakeDataset, fakePod } from '../../cluster/cluster.fake.ts'
import type { KubeObject } from '../../values/object.ts'
import { deletionOf } from './deletion.ts'

const nowMs = Date.UTC(2030, 0, 1, 0, 5)

function dying(status: KubeObject['status'] = { phase: 'Bound' }): KubeObject {
  const { metadata, ...rest } = fakeDataset(status)
  const finalizers = ['fluid-dataset-controller-finalizer']
  return { ...rest, metadata: { ...metadata, deletionTimestamp: '2030-01-01T00:00:00Z', finalizers } }
}

test('a Dataset that is not being deleted needs no explanation', () => {
  expect(deletionOf(fakeDataset(), { pods: [], nowMs })).toBeUndefined()
})

test('the pods that keep it are named, and those that do not are not', () => {
  const over = { ...fakePod({ name: 'over' }), status: { phase: 'Succeeded' } }
  const going = fakePod({ name: 'going' })
  going.metadata.deletionTimestamp = '2030-01-01T00:00:00Z'
  const elsewhere = fakePod({ name: 'elsewhere' })
  elsewhere.metadata.namespace = 'another'
  const pods = [fakePod(), over, going, elsewhere, fakePod({ name: 'other', claims: ['other'] })]
  expect(deletionOf(dying(), { pods, nowMs })).toEqual({
    forMs: 300_000,
    message: `Dataset ${cacheName} has been terminating since 2030-01-01T00:00:00Z: Fluid keeps it while pods mount it (llama-0). The cache still serves these pods. It is created again once no pod mounts it: scale the services to zero`,
  })
})

test.each([
  [{ phase: 'Bound', datasetRef: ['team-a/bloom'] }, 'while other Datasets refer to it (team-a/bloom)'],
  [{ phase: 'Bound' }, 'it still has finalizers (fluid-dataset-controller-finalizer)'],
])('without pods, of %j', (status, says) => {
  expect(deletionOf(dying(status), { pods: [], nowMs })?.message).toContain(says)
})
