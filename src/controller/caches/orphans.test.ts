import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { asPartOf } from '../../fluid/dataset.ts'
import { refreshLoad } from '../../fluid/refresh.ts'
import { scheduledLoads } from '../../fluid/schedule.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import type { KubeObject } from '../../values/object.ts'
import { deleteOrphans } from './orphans.ts'

const key = { namespace: 'models', name: cacheName }
const spec = { dataset: key }

/** An object that Fluid has run for the Dataset of this UID. */
function ranFor(object: KubeObject, uid: string): KubeObject {
  const owner = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'Dataset', name: cacheName, uid }
  return { ...object, spec, metadata: { ...object.metadata, ownerReferences: [owner] } }
}

function runtime(uid: string): KubeObject {
  return ranFor({ ...fakeDataset(), kind: 'JindoRuntime' }, uid)
}

interface Fixture {
  loads: KubeObject[]
  runtimes: KubeObject[]
  /** The Dataset as the mirror knows it, and as it is. */
  known?: KubeObject
  actual?: KubeObject
}

async function cleared({ loads, runtimes, known, actual = known }: Fixture) {
  const api = new FakeApi()
  const { mirror, datasets } = fakeMirror(api)
  api.put(...loads, ...runtimes, ...(known === undefined ? [] : [known]))
  datasets.pause()
  if (actual !== undefined) api.put(actual)
  const waits = await deleteOrphans({ client: api, mirror, logger: createLogger('silent') }, key)
  return { waits, deleted: api.writes }
}

const uid = `Dataset-${cacheName}`
const load = fakeDataLoad('Complete')

test('objects of the Dataset, or of none yet, stay', async () => {
  const stays = { waits: false, deleted: [] }
  const known = fakeDataset()
  expect(await cleared({ loads: [ranFor(load, uid)], runtimes: [runtime(uid)], known })).toEqual(stays)
  expect(await cleared({ loads: [{ ...load, spec }], runtimes: [], known })).toEqual(stays)
  expect(await cleared({ loads: [{ ...load, spec }], runtimes: [] })).toEqual(stays)
})

test('orphans of an earlier Dataset are deleted, before and after a new one exists', async () => {
  const refresh = refreshLoad(fakeDataset(), { warmup: load, path: '' }, new FakeClock(0))
  const all = [load, ...scheduledLoads(cacheName, [load], '0 3 * * *'), refresh]
  const loads = all.map((each) => ranFor(each, 'earlier'))
  const goes = {
    waits: true,
    deleted: [
      `delete DataLoad ${cacheName}`,
      `delete DataLoad ${cacheName}-s`,
      `delete DataLoad ${cacheName}-r0`,
      `delete JindoRuntime ${cacheName}`,
    ],
  }
  expect(await cleared({ loads, runtimes: [runtime('earlier')] })).toEqual(goes)
  expect(await cleared({ loads, runtimes: [runtime('earlier')], known: fakeDataset() })).toEqual(goes)
})

test('though Kubernetes has taken the Dataset that is gone from among the owners, it is known to be left', async () => {
  const made = asPartOf({ ...load, spec }, fakeDataset())
  const goes = { waits: true, deleted: [`delete DataLoad ${cacheName}`] }
  const [stays, another] = [{ waits: false, deleted: [] }, fakeDataset()]
  another.metadata.uid = 'another'
  expect(await cleared({ loads: [made], runtimes: [], known: fakeDataset() })).toEqual(stays)
  expect(await cleared({ loads: [made], runtimes: [], known: another })).toEqual(goes)
  expect(await cleared({ loads: [made], runtimes: [] })).toEqual(goes)
})

test('a Dataset that the mirror does not know yet keeps what is its own', async () => {
  const runtimes = [runtime(uid)]
  expect(await cleared({ loads: [], runtimes, actual: fakeDataset() })).toEqual({ waits: true, deleted: [] })
})
