import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { customisedBy, storageContainerFacts, storageContainerFor } from './custom-download.ts'

const env = [{ name: 'AWS_ENDPOINT_URL', value: 'http://minio:9000' }]
const image = 'kserve/storage-initializer:v0.20.0'

function storageContainer(container: JsonObject, more: JsonObject = {}, top: JsonObject = {}): KubeObject {
  const spec = {
    container,
    supportedUriFormats: [{ prefix: 's3://' }],
    workloadType: 'initContainer',
    ...more,
  }
  return {
    apiVersion: 'serving.kserve.io/v1alpha1',
    kind: 'ClusterStorageContainer',
    metadata: { name: 'c' },
    spec,
    ...top,
  }
}

const changes = (container: JsonObject) => storageContainerFacts([storageContainer(container)])[0]?.changes

test('KServe’s shipped containers customise nothing, and neither do resources, rights and speed', () => {
  const resources = { limits: { memory: '1Gi' } }
  const shipped = { name: 'storage-initializer', image, imagePullPolicy: 'IfNotPresent', resources }
  expect(changes(shipped)).toEqual([])
  expect(changes({ ...shipped, securityContext: {}, env: [{ name: 'HF_HUB_ENABLE_HF_TRANSFER' }] })).toEqual(
    [],
  )
  for (const name of [
    'storage-initializer',
    'r/odh-kserve-storage-initializer-rhel9@sha256:0',
    'r:5000/a/storage-initializer',
  ])
    expect(changes({ image: name })).toEqual([])
})

test('variables, another image, volumes and arguments customise a download', () => {
  expect(changes({ image, env })).toEqual(['env AWS_ENDPOINT_URL'])
  expect(changes({ image: 'corp/storage-initializer-plus:1', envFrom: [{}] })).toEqual(['image', 'envFrom'])
  expect(changes({ volumeMounts: [{}], command: ['a'], args: ['b'] })).toEqual([
    'volumeMounts',
    'command',
    'args',
  ])
  expect(customisedBy('it', ['image', 'args', 'args'])).toContain('(image and 1 more)')
})

test('a container that is disabled, or for another workload, downloads nothing', () => {
  const of = (more: JsonObject, top?: JsonObject) =>
    storageContainerFacts([storageContainer({ env }, more, top)])
  expect(of({})).toHaveLength(1)
  expect(of({ workloadType: undefined })).toHaveLength(1)
  expect(of({ workloadType: 'localModelDownloadJob' })).toEqual([])
  expect(of({}, { disabled: true })).toEqual([])
  expect(of({}, { disabled: false })).toHaveLength(1)
})

test.each<[boolean, string, JsonObject[]]>([
  [true, 's3://a/b', [{ prefix: 'gs://' }, { prefix: 's3://' }]],
  [true, 's3://a/b', [{ regex: 'a/b$' }]],
  [false, 's3://a/b', [{ regex: '^a' }]],
  // A prefix beside it is all that counts.
  [false, 's3://a/b', [{ prefix: 'gs://', regex: '.*' }]],
  [true, 's3://a/b', [{ regex: '(?i)^S3://' }]],
  [false, 'gs://a/b', [{ regex: '(?i)^S3://' }]],
  [false, 's3://a/b', [{ prefix: '', regex: '' }, {}]],
  // Go knows it, or KServe refuses the pod: it is not accelerated either way.
  [true, 's3://a/b', [{ regex: '(?P<x>a)' }]],
  [true, 's3://a/b', [{ regex: '(' }]],
  [true, 's3://a/b', [{ regex: 'x'.repeat(300) }]],
])('matches as KServe does: %s for %s by %j', (isFor, uri, supportedUriFormats) => {
  const facts = storageContainerFacts([storageContainer({ env }, { supportedUriFormats })])
  expect(storageContainerFor(uri, facts)?.name).toBe(isFor ? 'c' : undefined)
})

test('another image is how a scheme is read that KServe does not know; what else it has still counts', () => {
  const supportedUriFormats = [{ prefix: 'oss://' }, { prefix: 's3://' }]
  const image = 'oss-storage-initializer:1.0'
  const plain = storageContainerFacts([storageContainer({ image }, { supportedUriFormats })])
  expect(storageContainerFor('oss://a/b', plain)).toBeUndefined()
  expect(storageContainerFor('s3://a/b', plain)?.changes).toEqual(['image'])
  const proxied = storageContainerFacts([storageContainer({ image, env }, { supportedUriFormats })])
  expect(storageContainerFor('oss://a/b', proxied)?.changes).not.toContain('image')
})
