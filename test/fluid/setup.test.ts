import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../../src/values/object.ts'
import { alluxio, jindo } from './kinds.ts'
import { setup } from './setup.ts'

function datasetOf(mount: JsonObject, spec: JsonObject = {}): KubeObject {
  return { apiVersion: '', kind: 'Dataset', metadata: {}, spec: { mounts: [mount], ...spec } }
}

function encrypted(secret: string) {
  return [{ name: 'fs.oss.accessKeyId', valueFrom: { secretKeyRef: { name: secret, key: 'id' } } }]
}

const endpoint = { options: { 'fs.oss.endpoint': 'oss-cn-hangzhou.aliyuncs.com' } }
const always = () => true
const never = () => false

test('Jindo wants an endpoint for OSS, in the options of the mount or of all', () => {
  expect(setup(datasetOf({ mountPoint: 'oss://bucket/m/' }), jindo, always)).toEqual({
    kind: 'failed',
    message: 'oss endpoint can not be null, please check <fs.oss.endpoint> option',
  })
  expect(setup(datasetOf({ mountPoint: 'oss://bucket/m/', ...endpoint }), jindo, always).kind).toBe('ready')
  const shared = datasetOf({ mountPoint: 'oss://bucket/m/' }, { sharedOptions: endpoint.options })
  expect(setup(shared, jindo, always).kind).toBe('ready')
})

test('only Alluxio reads gs://', () => {
  const dataset = datasetOf({ mountPoint: 'gs://bucket/m/' })
  expect(setup(dataset, jindo, always).kind).toBe('failed')
  expect(setup(dataset, alluxio, always).kind).toBe('ready')
})

test('a Secret that is not there says nothing: the pods wait for it', () => {
  const mount = { mountPoint: 'oss://bucket/m/', ...endpoint, encryptOptions: encrypted('keys') }
  expect(setup(datasetOf(mount), jindo, never)).toEqual({ kind: 'stuck' })
  expect(setup(datasetOf(mount), jindo, ({ name, key }) => name === 'keys' && key === 'id').kind).toBe(
    'ready',
  )
})

test('Alluxio calls a volume after the Secret, which not every name of a Secret can be', () => {
  const named = (secret: string) =>
    setup(datasetOf({ mountPoint: 's3://bucket/m/', encryptOptions: encrypted(secret) }), alluxio, always)
  expect(named('my.keys').kind).toBe('failed')
  expect(named('k'.repeat(43)).kind).toBe('failed')
  expect(named('k'.repeat(42)).kind).toBe('ready')
})
