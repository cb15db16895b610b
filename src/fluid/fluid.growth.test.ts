import { describe, test } from 'vitest'
import { expectLinear, expectWithin } from '../values/growth.fixture.ts'
import { hostileTexts } from '../values/hostile.fixture.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { pathIn, sharedPathIn } from './existing.ts'
import { fills, loadsAll, pathOf } from './load.ts'
import { referredDataset, workerLabel } from './locality.ts'
import { cacheName, isCacheName, isLoadable, loadName } from './name.ts'
import { isReference } from './reference.ts'
import { chooseRuntime } from './runtimes.ts'
import { isScheduled, scheduledLoads } from './schedule.ts'
import { partsOf, type Source } from './source.ts'
import { isForeignClaim, isForeignVolume } from './volume.ts'

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i))
const record = <T>(count: number, make: (index: number) => [string, T]) =>
  Object.fromEntries(times(count, make))

function object(kind: string, spec: JsonObject, status: JsonObject = {}): KubeObject {
  return { apiVersion: 'data.fluid.io/v1alpha1', kind, metadata: { name: 'a', namespace: 'n' }, spec, status }
}

const source = (uri: string): Source => {
  const credentials = { kind: 'file', secretName: 's', file: 'f' } as const
  return { uri, scheme: 's3', credentials, endpoint: { url: uri }, options: {} }
}
const bound = { phase: 'Bound', runtimes: [{ type: 'alluxio' }] }
const existing = (spec: JsonObject, runtime: JsonObject = {}) => ({
  dataset: object('Dataset', spec, bound),
  runtimes: [object('AlluxioRuntime', runtime)],
})

const texts: [string, (text: string) => unknown][] = [
  ['referredDataset', (mountPoint) => referredDataset(object('Dataset', { mounts: [{ mountPoint }] }))],
  ['workerLabel', (name) => workerLabel({ namespace: 'n', name }, undefined)],
  [
    'a path of a DataLoad',
    (path) => {
      const load = object('DataLoad', { dataset: { name: 'a', namespace: 'n' }, target: [{ path }] })
      return [pathOf(load), loadsAll(load), fills(load, { namespace: 'n', name: 'a' }, path)]
    },
  ],
  ['cacheName', (uri) => cacheName('n', source(uri))],
  ['loadName', (path) => loadName('a', path)],
  ['isLoadable', isLoadable],
  ['isCacheName', isCacheName],
  ['partsOf', (uri) => partsOf(source(uri))],
  ['chooseRuntime', (uri) => chooseRuntime(source(uri), 'EFC', ['datasets', 'efcruntimes'])],
  [
    'a Dataset that is there already',
    (text) => {
      const options = { 'fs.s3.endpoint': text, [text]: text }
      const mounts = [
        { mountPoint: text, name: text, path: `/${text}`, options },
        { mountPoint: 's3://b', path: '/', options },
      ]
      const runtime = {
        volumes: [{ name: text, secret: { secretName: 's' } }],
        master: { volumeMounts: [{ name: text, mountPath: text }] },
      }
      const options2 = { ...options, 'fs.gcs.credential.path': text }
      const read = { mounts: [{ mountPoint: 's3://b', path: '/', options: options2 }] }
      return [existing({ mounts }, runtime), existing(read, runtime)].map((each) => [
        pathIn(each, source('s3://b/a')),
        sharedPathIn(each, source('s3://b/a')),
        pathIn(each, source(text)),
      ])
    },
  ],
]

describe.each(texts)('%s takes linear time', (_, run) => {
  test.each(hostileTexts)('of %s', (__, make) => expectLinear(make, run))
})

const mount = (index: number) => ({ mountPoint: 's3://b', name: `m${index}`, options: { a: 'b' } })
const secret = (index: number) => ({
  name: `o${index}`,
  valueFrom: { secretKeyRef: { name: 's', key: 'k' } },
})
const shared = { sharedOptions: record(64, (index) => [`o${index}`, 'a']) }

const datasets: [string, (n: number) => ReturnType<typeof existing>][] = [
  ['mounts', (n) => existing({ ...shared, mounts: times(n, mount) })],
  [
    'mounts that hide one another',
    (n) => existing({ mounts: times(n, () => ({ ...mount(0), path: '/a' })) }),
  ],
  ['options', (n) => existing({ mounts: [{ ...mount(0), options: record(n, (i) => [`o${i}`, 'a']) }] })],
  ['Secrets', (n) => existing({ mounts: [{ ...mount(0), encryptOptions: times(n, secret) }] })],
  [
    'volumes and their mounts',
    (n) =>
      existing(
        { mounts: [{ ...mount(0), options: { 'fs.gcs.credential.path': '/x/f' } }] },
        {
          volumes: times(n, (index) => ({ name: `v${index}`, secret: { secretName: 's' } })),
          master: { volumeMounts: times(n, (index) => ({ name: `v${index}`, mountPath: '/y' })) },
        },
      ),
  ],
]

test.each(datasets)('a Dataset with many %s is read in linear time, and in less than 20 ms', (_, make) => {
  const read = (each: ReturnType<typeof existing>) => pathIn(each, source('s3://b/a'))
  expectLinear(make, read, { n: 5_000 })
  for (const count of [64, 20_000]) {
    const made = make(count)
    expectWithin(20, () => read(made))
  }
})

test('the targets of a DataLoad are compared in linear time', () => {
  const path = 'a/'.repeat(1_000)
  const load = (n: number) =>
    object('DataLoad', { dataset: { name: 'a', namespace: 'n' }, target: times(n, () => ({ path: '/b' })) })
  expectLinear(load, (each) => fills(each, { namespace: 'n', name: 'a' }, path), { n: 5_000 })
  expectLinear(load, loadsAll, { n: 5_000 })
  expectLinear(load, (each) => scheduledLoads('a', [each, each], '* * * * *'), { n: 5_000 })
  expectLinear(load, (each) => [
    isScheduled(each),
    isReference(each),
    isForeignClaim(each),
    isForeignVolume(each, 'n'),
  ])
})
