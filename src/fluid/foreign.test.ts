import { expect, test } from 'vitest'
import { cloneJson, type JsonObject, type KubeObject } from '../values/object.ts'
import { fakeCache } from './cache.fake.ts'
import { cacheObjects } from './cache.ts'
import type { Cache } from './desired.ts'
import { mergeMutable } from './merge.ts'

const source: Partial<Cache['source']> = {
  credentials: { kind: 'keys', secretName: 's3-access', accessKeyId: 'id', secretAccessKey: 'key' },
  endpoint: { url: 'http://minio:9000' },
}
const cache = (runtime: Cache['runtime'], settings: Partial<Cache['settings']> = {}) =>
  fakeCache(runtime, { source, settings })

/** The result of comparing an object with a version that another client changed. */
function edited(kind: string, change: (spec: JsonObject) => void, of = cache('Jindo')) {
  const wanted = cacheObjects(of).find((object) => object.kind === kind)
  if (wanted === undefined) throw new Error(`no ${kind}`)
  const present = cloneJson(wanted) as KubeObject & { spec: JsonObject }
  change(present.spec)
  return mergeMutable(wanted, present)
}

const mountOf = (spec: JsonObject) => (spec.mounts as JsonObject[])[0] as JsonObject
const secretRef = (name: string, key: string) => ({
  name: 'fs.s3.accessKeyId',
  valueFrom: { secretKeyRef: { name, key } },
})

test.each<[string, (spec: JsonObject) => void]>([
  ['a host path', (spec) => Object.assign(mountOf(spec), { mountPoint: 'local:///etc/kubernetes' })],
  ['another claim', (spec) => Object.assign(mountOf(spec), { mountPoint: 'pvc://other' })],
  ['another bucket', (spec) => Object.assign(mountOf(spec), { mountPoint: 's3://other/' })],
  ['a mount that can be written', (spec) => Object.assign(mountOf(spec), { readOnly: false })],
  ['a shared mount', (spec) => Object.assign(mountOf(spec), { shared: true })],
  ['another path', (spec) => Object.assign(mountOf(spec), { path: '/other' })],
  ['another Secret', (spec) => Object.assign(mountOf(spec), { encryptOptions: [secretRef('admin', 'id')] })],
  ['another key', (spec) => Object.assign(mountOf(spec), { encryptOptions: [secretRef('s3-access', 'x')] })],
  ['no Secret', (spec) => Object.assign(mountOf(spec), { encryptOptions: undefined })],
  ['keys in the open', (spec) => Object.assign(mountOf(spec), { options: { 'fs.s3.accessKeySecret': 'x' } })],
  ['one mount more', (spec) => (spec.mounts as JsonObject[]).push({ mountPoint: 'local:///etc' })],
  ['no mount', (spec) => Object.assign(spec, { mounts: undefined })],
  ['another access mode', (spec) => Object.assign(spec, { accessModes: ['ReadWriteMany'] })],
  ['another placement', (spec) => Object.assign(spec, { placement: 'Exclusive' })],
  ['sharedOptions', (spec) => Object.assign(spec, { sharedOptions: { a: 'b' } })],
  ['sharedEncryptOptions', (spec) => Object.assign(spec, { sharedEncryptOptions: [secretRef('a', 'b')] })],
  ['an affinity', (spec) => Object.assign(spec, { nodeAffinity: { required: { nodeSelectorTerms: [{}] } } })],
  ['an owner', (spec) => Object.assign(spec, { owner: { uid: 0, gid: 0 } })],
  ['runtimes', (spec) => Object.assign(spec, { runtimes: [{ name: 'x', namespace: 'y' }] })],
  ['a place to restore from', (spec) => Object.assign(spec, { dataRestoreLocation: { path: 'local://x' } })],
])('a Dataset with %s is not ours', (_, change) => {
  expect(edited('Dataset', change).kind).toBe('foreign')
})

test('fields of a policy on a Dataset may be from an earlier policy: they are pending', () => {
  expect(edited('Dataset', (spec) => Object.assign(mountOf(spec), { options: { old: '1' } }))).toMatchObject({
    kind: 'ours',
    pendingChanges: ['Dataset spec.mounts'],
  })
  const tolerations = [{ operator: 'Exists' }]
  expect(edited('Dataset', (spec) => Object.assign(spec, { tolerations }))).toMatchObject({
    pendingChanges: ['Dataset spec.tolerations'],
  })
})

const hostPath = { name: 'host', hostPath: { path: '/' } }

test.each<[string, JsonObject, string]>([
  ['volumes', { volumes: [hostPath] }, 'volumes'],
  [
    'mounts of them',
    { master: { volumeMounts: [{ name: 'host', mountPath: '/x' }] } },
    'master.volumeMounts',
  ],
  ['an image', { fuse: { image: 'evil' } }, 'fuse.image'],
  ['another version', { jindoVersion: { image: 'evil', imageTag: '1' } }, 'jindoVersion.image'],
  ['a Hadoop configuration', { hadoopConfig: 'x' }, 'hadoopConfig'],
  ['a Secret', { secret: 'admin' }, 'secret'],
  ['a user', { runAs: { uid: 0, gid: 0, user: 'root', group: 'root' } }, 'runAs'],
  ['variables', { worker: { env: { A: 'b' } } }, 'worker.env'],
  ['metadata of pods', { podMetadata: { annotations: { a: 'b' } } }, 'podMetadata'],
  ['keys among its properties', { properties: { 'fs.oss.accessKeySecret': 'x' } }, 'properties'],
  [
    'a tier of another volume',
    { tieredstore: { levels: [{ volumeSource: { emptyDir: { medium: 'Memory' } } }] } },
    'tieredstore.levels.volumeSource',
  ],
])('a Runtime with %s that no policy gave is not ours', (_, more, field) => {
  const found = edited('JindoRuntime', (spec) => Object.assign(spec, { fuse: undefined }, more))
  expect(found).toMatchObject({ kind: 'foreign' })
  expect(found).toHaveProperty('fields', expect.arrayContaining([field]))
})

test('fields of the policy are accepted; an additional volume is foreign, another image is pending', () => {
  const template = { volumes: [hostPath], fuse: { image: 'own', imageTag: '1' }, properties: { a: 'b' } }
  const given = cache('Jindo', { template })
  const none = () => {}
  expect(edited('JindoRuntime', none, given)).toMatchObject({ kind: 'ours', pendingChanges: [] })
  const another = { name: 'other', hostPath: { path: '/etc' } }
  const more = edited('JindoRuntime', (spec) => (spec.volumes as JsonObject[]).push(another), given)
  expect(more).toEqual({ kind: 'foreign', fields: ['volumes'] })
  const moved = [{ name: 'host', hostPath: { path: '/etc' } }]
  expect(edited('JindoRuntime', (spec) => Object.assign(spec, { volumes: moved }), given).kind).toBe(
    'foreign',
  )
  const older = edited(
    'JindoRuntime',
    (spec) => Object.assign(spec, { fuse: { image: 'own', imageTag: '0' } }),
    given,
  )
  expect(older).toMatchObject({
    kind: 'ours',
    pendingChanges: expect.arrayContaining(['JindoRuntime spec.fuse.imageTag']),
  })
})

test.each<[string, JsonObject]>([
  ['another Dataset', { dataset: { name: 'other', namespace: 'models' } }],
  ['another namespace', { dataset: { name: 'bloom-0123456789', namespace: 'other' } }],
  ['another path', { target: [{ path: '/other', replicas: 1 }] }],
  ['a schedule', { policy: 'Cron', schedule: '* * * * *' }],
])('a DataLoad for %s is not ours', (_, more) => {
  expect(edited('DataLoad', (spec) => Object.assign(spec, more)).kind).toBe('foreign')
})

test('replicas, options and tolerations of a DataLoad are pending changes; the policy that the CRD adds is ignored', () => {
  expect(edited('DataLoad', (spec) => Object.assign(spec, { policy: 'Once' }))).toMatchObject({
    pendingChanges: [],
  })
  const more = { target: [{ path: '/', replicas: 9 }], nodeSelector: { a: 'b' } }
  expect(edited('DataLoad', (spec) => Object.assign(spec, more))).toMatchObject({
    kind: 'ours',
    pendingChanges: ['DataLoad spec.nodeSelector', 'DataLoad spec.target'],
  })
})

test('JVM sizes are derived from a policy; any other JVM option is foreign', () => {
  const withOptions = (...options: string[]) =>
    edited(
      'AlluxioRuntime',
      (spec) => Object.assign(spec.worker as JsonObject, { jvmOptions: options }),
      cache('Alluxio'),
    )
  expect(withOptions('-Xms16g', '-Xmx32g', '-XX:MaxDirectMemorySize=32g')).toMatchObject({
    kind: 'ours',
    pendingChanges: ['AlluxioRuntime spec.worker.jvmOptions'],
  })
  for (const option of ['-XX:OnOutOfMemoryError=reboot', '-javaagent:/x.jar', '-Xmx1g -javaagent:/x.jar'])
    expect(withOptions('-Xmx32g', option)).toEqual({ kind: 'foreign', fields: ['worker.jvmOptions'] })
})
