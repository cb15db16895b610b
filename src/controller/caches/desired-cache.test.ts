import { expect, test } from 'vitest'
import { fakeDataset } from '../../cluster/cluster.fake.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import { fakeCache } from '../../fluid/cache.fake.ts'
import type { Cache } from '../../fluid/desired.ts'
import { pendingChangesOf } from '../../fluid/merge.ts'
import { runtimeNames } from '../../fluid/runtimes.ts'
import type { EventNote } from '../../kube/events.ts'
import { FakeReflector } from '../../kube/reflector.fake.ts'
import { type KubeObject, objectAt } from '../../values/object.ts'
import { desiredCache as provision, reportOutdated } from './desired-cache.ts'

const cache = (runtime: Cache['runtime'], quota: string) =>
  fakeCache(runtime, { settings: { tieredStore: [{ medium: 'SSD', path: '/mnt/cache', quota }] } })

function desiredCache(...given: Parameters<typeof provision>) {
  const found = provision(...given)
  if (found.kind === 'taken') throw new Error(found.message)
  return found
}

/** A mirror with these objects. */
function standingAre(objects: KubeObject[]): Mirror {
  const [datasets, dataLoads] = [new FakeReflector(), new FakeReflector()]
  const runtimes = Object.fromEntries(runtimeNames.map((kind) => [kind, new FakeReflector()]))
  for (const object of objects) {
    const copies: { [kind: string]: FakeReflector } = { Dataset: datasets, DataLoad: dataLoads }
    const copy = copies[object.kind] ?? runtimes[object.kind.replace('Runtime', '')]
    copy?.put(object)
  }
  return { datasets, dataLoads, runtimes } as unknown as Mirror
}

test('changes of a policy that cannot be applied to a cache are pending, and reported on its Dataset', () => {
  const made = desiredCache(cache('Jindo', '50Gi'), standingAre([]))
  expect(made.objects.map(({ kind }) => kind)).toEqual(['Dataset', 'JindoRuntime', 'DataLoad'])
  expect(made.pendingChanges).toEqual([])
  const mirror = standingAre(made.objects)
  expect(desiredCache(cache('Jindo', '50Gi'), mirror).objects).toEqual(made.objects)
  const changed = desiredCache(cache('Jindo', '90Gi'), mirror)
  expect(changed.objects[1]).toEqual(made.objects[1])
  const [dataset = fakeDataset()] = changed.objects
  expect(pendingChangesOf(dataset)).toBe('JindoRuntime spec.tieredstore.levels')
})

test('a Runtime of another kind is never created beside the existing one', () => {
  const made = desiredCache(cache('Jindo', '50Gi'), standingAre([]))
  const changed = desiredCache(cache('Alluxio', '50Gi'), standingAre(made.objects))
  expect(changed.objects.map(({ kind }) => kind)).toEqual(['Dataset', 'JindoRuntime', 'DataLoad'])
  expect(changed.pendingChanges).toEqual(['a AlluxioRuntime'])
  const gone = desiredCache(cache('Alluxio', '50Gi'), standingAre(made.objects.slice(2)))
  expect(gone.objects.map(({ kind }) => kind)).toEqual(['Dataset', 'AlluxioRuntime', 'DataLoad'])
})

test('a cache that reads as its node stays, even if its policy does not say so by now', () => {
  const made = desiredCache(fakeCache('Alluxio', { source: { isReadAsNode: true } }), standingAre([]))
  const later = desiredCache(fakeCache('Alluxio'), standingAre(made.objects))
  expect(later.objects).toEqual(made.objects)
})

test('a scheduled DataLoad follows the current policy, because it is created again', () => {
  const scheduled = (schedule: string): Cache => {
    const { settings, ...rest } = cache('Jindo', '50Gi')
    return { ...rest, settings: { ...settings, warmup: { ...settings.warmup, schedule } } }
  }
  const made = desiredCache(scheduled('0 3 * * *'), standingAre([]))
  const changed = desiredCache(scheduled('0 4 * * *'), standingAre(made.objects))
  expect(changed.objects.at(-1)?.spec).toMatchObject({ schedule: '0 4 * * *' })
  expect(changed.pendingChanges).toEqual([])
})

test('an Event reports pending changes, if there are any', () => {
  const told: EventNote[] = []
  const options = { events: { record: (event: EventNote) => told.push(event) } }
  reportOutdated(options, fakeDataset(), [])
  reportOutdated(options, fakeDataset(), ['JindoRuntime spec.tieredstore.levels'])
  expect(told).toMatchObject([{ reason: 'CacheOutdated', type: 'Warning', regarding: { kind: 'Dataset' } }])
  expect(told[0]?.note).toContain('JindoRuntime spec.tieredstore.levels')
})

const withoutRuntime = (objects: KubeObject[]) => objects.filter(({ kind }) => !kind.endsWith('Runtime'))

function changed(objects: KubeObject[], kind: string, spec: object): KubeObject[] {
  return objects.map((object) =>
    object.kind === kind ? { ...object, spec: { ...(object.spec as object), ...spec } } : object,
  )
}

test('a single foreign object is enough to leave the whole cache unchanged', () => {
  const wanted = cache('Jindo', '50Gi')
  const made = desiredCache(wanted, standingAre([])).objects
  const mounts = [{ mountPoint: 'local:///etc/kubernetes', name: wanted.name, path: '/', readOnly: true }]
  const volumes = [{ name: 'host', hostPath: { path: '/' } }]
  const unlabelled = (kind: string) =>
    made.map((object) =>
      object.kind === kind ? { ...object, metadata: { ...object.metadata, labels: {} } } : object,
    )
  const other = { ...(made[1] as KubeObject), kind: 'ThinRuntime' }
  const cases: [KubeObject[], string][] = [
    [
      changed(made, 'Dataset', { mounts }),
      'Dataset bloom-0123456789 exists and has fields that Warmgate does not write (spec.mounts)',
    ],
    [
      changed(made, 'JindoRuntime', { volumes }),
      'JindoRuntime bloom-0123456789 exists and has fields that Warmgate does not write (spec.volumes)',
    ],
    [
      changed(made, 'DataLoad', { target: [] }),
      'DataLoad bloom-0123456789 exists and has fields that Warmgate does not write (spec.target)',
    ],
    [unlabelled('Dataset'), "Dataset bloom-0123456789 exists and is not Warmgate's"],
    [unlabelled('JindoRuntime'), "JindoRuntime bloom-0123456789 exists and is not Warmgate's"],
    [unlabelled('DataLoad'), "DataLoad bloom-0123456789 exists and is not Warmgate's"],
    [[other], 'ThinRuntime bloom-0123456789 exists and does not serve the source'],
  ]
  for (const [objects, message] of cases) {
    const found = provision(wanted, standingAre(objects))
    expect(found).toMatchObject({ kind: 'taken', message: expect.stringContaining(message) })
  }
})

test('a Dataset that no Runtime has read yet gets the fields of the policy', () => {
  const wanted = cache('Jindo', '50Gi')
  const made = desiredCache(wanted, standingAre([])).objects
  const mount = { ...objectAt(made[0], 'spec', 'mounts', 0), options: { 'fs.s3.endpoint': 'http://else' } }
  const lagging = changed(made, 'Dataset', { mounts: [mount] })
  const unread = desiredCache(wanted, standingAre(withoutRuntime(lagging)))
  expect(unread.objects[0]?.spec).toEqual(made[0]?.spec)
  expect(unread.pendingChanges).toEqual([])
  const read = desiredCache(wanted, standingAre(lagging))
  expect(read.objects[0]?.spec).toEqual(lagging[0]?.spec)
  expect(read.pendingChanges).toEqual(['Dataset spec.mounts'])
})
