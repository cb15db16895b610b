import { expect, test } from 'vitest'
import { fakeDataset, fakePod } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeService } from '../../plan/plan.fake.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { explainDeletion } from './deletions.ts'

test('a deletion that is stuck is explained on every service, and one that goes well is not', async () => {
  const { mirror, pods } = fakeMirror()
  pods.put(fakePod())
  const told: EventNote[] = []
  const clock = new FakeClock()
  const options = { mirror, clock, events: { record: (event: EventNote) => told.push(event) } }
  const dataset = fakeDataset()
  dataset.metadata.deletionTimestamp = new Date(clock.now()).toISOString()
  const users = [fakeService({}), fakeService({}, { name: 'second' })]
  await clock.advance(59_000)
  explainDeletion(options, dataset, users)
  expect(told).toEqual([])
  await clock.advance(1_000)
  explainDeletion(options, dataset, users)
  expect(told.map(({ regarding, reason, type }) => [regarding.metadata.name, reason, type])).toEqual([
    ['llama', 'CacheDeleting', 'Warning'],
    ['second', 'CacheDeleting', 'Warning'],
  ])
  expect(told[0]?.note).toContain('while pods mount it (llama-0)')
})
