import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { scheduledLoads } from '../../fluid/schedule.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import { createLogger } from '../../telemetry/logger.ts'
import type { KubeObject } from '../../values/object.ts'
import { clearSchedule } from './schedules.ts'

const key = { namespace: 'models', name: cacheName }
const first = { ...fakeDataLoad('Complete'), spec: { target: [{ path: '/', replicas: 1 }] } }
const at = (schedule: string, load: KubeObject = first) => scheduledLoads(cacheName, [load], schedule)
const [nightly = first] = at('0 3 * * *')

/** The deletions in a cluster with this scheduled DataLoad, and whether the controller must wait. */
async function cleared(present: KubeObject | undefined, wanted: KubeObject[]) {
  const api = new FakeApi()
  if (present !== undefined) api.put(present)
  const { mirror } = fakeMirror(api)
  const waits = await clearSchedule({ client: api, mirror, logger: createLogger('silent') }, key, wanted)
  return { waits, deleted: api.writes }
}

const made = nightly
const kept = { waits: false, deleted: [] }
const gone = { waits: true, deleted: [`delete DataLoad ${cacheName}-s`] }

test('an up-to-date DataLoad stays', async () => {
  expect(await cleared(undefined, [first])).toEqual(kept)
  expect(await cleared(undefined, [first, nightly])).toEqual(kept)
  expect(await cleared(made, [first, nightly])).toEqual(kept)
})

test('it is deleted with the schedule, and created again if any field changes', async () => {
  expect(await cleared(made, [first])).toEqual(gone)
  expect(await cleared(made, [first, ...at('0 4 * * *')])).toEqual(gone)
  const twice = { ...first, spec: { target: [{ path: '/', replicas: 2 }] } }
  expect(await cleared(made, [twice, ...at('0 3 * * *', twice)])).toEqual(gone)
})

test('a DataLoad that is being deleted is waited for, and a foreign one is ignored', async () => {
  const dying = { ...made, metadata: { ...made.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } }
  expect(await cleared(dying, [first])).toEqual({ waits: true, deleted: [] })
  const theirs = { ...made, metadata: { ...made.metadata, labels: {} } }
  expect(await cleared(theirs, [first])).toEqual(kept)
})
