import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { parseKserveConfig, shippedKserveConfig } from './config.ts'

function configMap(data: { [key: string]: string } | undefined): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'inferenceservice-config', namespace: 'kserve' },
    ...(data === undefined ? {} : { data }),
  }
}

const withCredentials = (credentials: JsonObject) =>
  parseKserveConfig(configMap({ credentials: JSON.stringify(credentials) }))

const gpuTypes = ['nvidia.com/gpu', 'amd.com/gpu', 'intel.com/gpu', 'habana.ai/gaudi']

/** The defaults in KServe's code for fields that its ConfigMap does not set. */
const fallbacks = {
  storageSecretAnnotation: '',
  storageSpecSecret: 'storage-config',
  s3: { accessKeyId: 'awsAccessKeyID', secretAccessKey: 'awsSecretAccessKey', defaults: {} },
  gcsCredentialFile: 'gcloud-application-credentials.json',
  deploymentMode: '',
  hasCaBundle: false,
  initializer: shippedKserveConfig.initializer,
  localModels: false,
  gpuTypes,
}

test('without a ConfigMap it is what KServe ships', () => {
  expect(parseKserveConfig(undefined)).toEqual(shippedKserveConfig)
})

test('how KServe runs its storage initializer', () => {
  const storageInitializer = JSON.stringify({
    image: 'registry.example.com/storage-initializer:1',
    memoryLimit: '8Gi',
    cpuRequest: '2',
    caBundleConfigMapName: 'ca',
    caBundleVolumeMountPath: '/certs',
  })
  expect(parseKserveConfig(configMap({ storageInitializer })).initializer).toEqual({
    image: 'registry.example.com/storage-initializer:1',
    resources: { requests: { cpu: '2', memory: '100Mi' }, limits: { cpu: '1', memory: '8Gi' } },
    caBundleConfigMap: 'ca',
    caBundlePath: '/certs',
  })
})

test('the shipped settings are those of KServe’s ConfigMap', () => {
  const config = withCredentials({
    storageSpecSecretName: 'storage-config',
    storageSecretNameAnnotation: 'serving.kserve.io/storageSecretName',
    gcs: { gcsCredentialFileName: 'gcloud-application-credentials.json' },
    s3: {
      s3AccessKeyIDName: 'AWS_ACCESS_KEY_ID',
      s3SecretAccessKeyName: 'AWS_SECRET_ACCESS_KEY',
      s3Endpoint: '',
      s3UseHttps: '',
    },
  })
  expect(config).toEqual({ ...shippedKserveConfig, deploymentMode: '' })
  const more = {
    deploy: '{"defaultDeploymentMode":"Standard"}',
    localModel: '{"enabled":true}',
    storageInitializer: '{"caBundleConfigMapName":"ca"}',
    multiNode: '{"customGPUResourceTypeList":["custom.com/gpu",7]}',
  }
  expect(parseKserveConfig(configMap(more))).toMatchObject({
    deploymentMode: 'Standard',
    hasCaBundle: true,
    localModels: true,
    gpuTypes: [...gpuTypes, 'custom.com/gpu'],
  })
})

test('names and options of a customized cluster', () => {
  const config = withCredentials({
    storageSecretNameAnnotation: 'example.com/secret',
    storageSpecSecretName: 'stores',
    gcs: { gcsCredentialFileName: 'key.json' },
    s3: {
      s3AccessKeyIDName: 'id',
      s3SecretAccessKeyName: 'secret',
      s3Endpoint: 'minio:9000',
      s3UseHttps: '0',
      s3Region: 'us-west-2',
      s3CABundleConfigMap: 'ca',
      s3VerifySSL: false,
    },
  })
  expect(config).toEqual({
    storageSecretAnnotation: 'example.com/secret',
    storageSpecSecret: 'stores',
    gcsCredentialFile: 'key.json',
    deploymentMode: '',
    hasCaBundle: false,
    initializer: shippedKserveConfig.initializer,
    localModels: false,
    gpuTypes,
    s3: {
      accessKeyId: 'id',
      secretAccessKey: 'secret',
      defaults: {
        S3_ENDPOINT: 'minio:9000',
        S3_USE_HTTPS: '0',
        AWS_DEFAULT_REGION: 'us-west-2',
        AWS_CA_BUNDLE_CONFIGMAP: 'ca',
      },
    },
  })
})

test.each([
  ['no data', configMap(undefined)],
  ['no credentials', configMap({ deploy: '{"defaultDeploymentMode":7}' })],
  ['empty credentials', configMap({ credentials: '{}' })],
  ['broken JSON', configMap({ credentials: '{"s3":' })],
  ['JSON that is no object', configMap({ credentials: '[1]' })],
  ['an s3 that is no object', configMap({ credentials: '{"s3":"AWS"}' })],
])('a ConfigMap with %s leaves the fallbacks of KServe’s code', (_, object) => {
  expect(parseKserveConfig(object)).toEqual(fallbacks)
})
