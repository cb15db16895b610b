import { expect, test } from 'vitest'
import type { JsonObject } from '../values/object.ts'
import { shippedKserveConfig } from './config.ts'
import { type InitializerInput, initializerOf } from './initializer.ts'
import type { SecretFact } from './secret.ts'

const secret = (name: string, keys: string[], more: Partial<SecretFact> = {}): SecretFact => ({
  name,
  keys,
  annotations: {},
  options: {},
  entries: {},
  ...more,
})

interface Scene extends Partial<Omit<InitializerInput, 'secrets'>> {
  secrets?: SecretFact[]
}

function made({ secrets = [], ...scene }: Scene = {}) {
  return initializerOf({
    uri: 'hf://org/model',
    directory: '/mnt/models',
    namespace: 'models',
    storage: undefined,
    annotations: {},
    serviceAccount: { name: 'reader', secrets: secrets.map(({ name }) => name), annotations: {} },
    secrets: Object.fromEntries(secrets.map((fact) => [fact.name, fact])),
    config: shippedKserveConfig,
    overlay: undefined,
    ...scene,
  })
}

function ok(scene: Scene = {}) {
  const result = made(scene)
  if (!result.ok) throw new Error(result.message)
  return result
}

const envOf = (scene: Scene) => {
  const env = ok(scene).container.env as JsonObject[]
  return env.filter(({ name }) => !/^HF_(HUB|XET)/.test(String(name)))
}
const reference = (name: string, secretName: string, key: string) => ({
  name,
  valueFrom: { secretKeyRef: { name: secretName, key } },
})

test('KServe’s own container, with its image, resources and defaults', () => {
  const config = {
    ...shippedKserveConfig,
    initializer: { ...shippedKserveConfig.initializer, image: 'registry.example.com/init:1' },
  }
  expect(ok({ config })).toEqual({
    ok: true,
    container: {
      name: 'storage-initializer',
      image: 'registry.example.com/init:1',
      args: ['hf://org/model', '/mnt/models'],
      env: [
        { name: 'HF_HUB_ENABLE_HF_TRANSFER', value: '1' },
        { name: 'HF_XET_HIGH_PERFORMANCE', value: '1' },
        { name: 'HF_XET_NUM_CONCURRENT_RANGE_GETS', value: '8' },
      ],
      resources: { requests: { cpu: '100m', memory: '100Mi' }, limits: { cpu: '1', memory: '1Gi' } },
      terminationMessagePolicy: 'FallbackToLogsOnError',
    },
    volumes: [],
  })
})

test.each<[string, SecretFact, JsonObject[]]>([
  ['Hugging Face', secret('hf', ['HF_TOKEN']), [reference('HF_TOKEN', 'hf', 'HF_TOKEN')]],
  [
    'S3',
    secret('s3', ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'], {
      annotations: { 'serving.kserve.io/s3-endpoint': 'minio:9000', 'serving.kserve.io/s3-usehttps': '0' },
      options: { S3_USE_ACCELERATE: 'true' },
    }),
    [
      reference('AWS_ACCESS_KEY_ID', 's3', 'AWS_ACCESS_KEY_ID'),
      reference('AWS_SECRET_ACCESS_KEY', 's3', 'AWS_SECRET_ACCESS_KEY'),
      { name: 'S3_USE_ACCELERATE', value: 'true' },
      { name: 'AWS_ENDPOINT_URL', value: 'http://minio:9000' },
    ],
  ],
  [
    'Azure, with legacy keys',
    secret('az', ['AZ_CLIENT_ID', 'AZ_CLIENT_SECRET', 'AZURE_TENANT_ID']),
    [
      reference('AZURE_TENANT_ID', 'az', 'AZURE_TENANT_ID'),
      reference('AZURE_CLIENT_ID', 'az', 'AZ_CLIENT_ID'),
      reference('AZURE_CLIENT_SECRET', 'az', 'AZ_CLIENT_SECRET'),
    ],
  ],
  [
    'a web server: KServe copies the headers, here they are referred to',
    secret('web', ['https-host', 'headers'], { options: { 'https-host': 'models.example.com' } }),
    [reference('models.example.com-headers', 'web', 'headers')],
  ],
  ['nothing that KServe knows', secret('other', ['password']), []],
  [
    'a web server whose host is no host',
    secret('web', ['https-host', 'headers'], { options: { 'https-host': 'a b' } }),
    [],
  ],
])('credentials: %s', (_, fact, env) => {
  expect(envOf({ secrets: [fact] })).toEqual(env)
})

test('files of GCS and HDFS are mounted', () => {
  const gcs = ok({ secrets: [secret('gcs', ['gcloud-application-credentials.json'])] })
  expect(gcs.volumes).toEqual([{ name: 'user-gcp-sa', secret: { secretName: 'gcs' } }])
  expect(gcs.container.volumeMounts).toEqual([
    { name: 'user-gcp-sa', mountPath: '/var/secrets/', readOnly: true },
  ])
  const hdfs = ok({ secrets: [secret('hdfs', ['HDFS_NAMENODE'])] })
  expect(hdfs.volumes).toEqual([{ name: 'hdfs-secrets', secret: { secretName: 'hdfs' } }])
})

test('the Secret that the service names comes in place of its account’s', () => {
  const annotations = { [shippedKserveConfig.storageSecretAnnotation]: 'mine' }
  const secrets = [secret('listed', ['HF_TOKEN']), secret('mine', ['HF_TOKEN'])]
  expect(envOf({ secrets, annotations })).toEqual([reference('HF_TOKEN', 'mine', 'HF_TOKEN')])
  expect(made({ annotations })).toMatchObject({ ok: false, reason: 'CredentialsPending' })
})

test('a role of Amazon’s gives its options, and a Secret replaces them', () => {
  const annotations = { 'eks.amazonaws.com/role-arn': 'arn', 'serving.kserve.io/s3-region': 'eu-west-1' }
  const serviceAccount = { name: 'reader', secrets: [], annotations }
  expect(envOf({ serviceAccount })).toEqual([{ name: 'AWS_DEFAULT_REGION', value: 'eu-west-1' }])
})

test('a storage spec is an entry by reference, and its parameters', () => {
  const entry = { hasAccessKeyId: true, hasSecretAccessKey: true, options: { type: 's3', bucket: 'b' } }
  const secrets = [secret('storage-config', ['k'], { entries: { k: entry } })]
  const storage = { key: 'k', path: 'p', parameters: { region: 'eu' } }
  expect(envOf({ secrets, storage })).toEqual([
    reference('STORAGE_CONFIG', 'storage-config', 'k'),
    { name: 'STORAGE_OVERRIDE_CONFIG', value: '{"region":"eu"}' },
  ])
})

test('the CA bundle of the cluster is mounted as KServe does it', () => {
  const config = { ...shippedKserveConfig, hasCaBundle: true }
  const bundle = ok({ config })
  expect(bundle.volumes).toEqual([{ name: 'cabundle-cert', configMap: { name: 'global-ca-bundle' } }])
  expect(envOf({ config })).toEqual([
    { name: 'CA_BUNDLE_CONFIGMAP_NAME', value: 'global-ca-bundle' },
    { name: 'CA_BUNDLE_VOLUME_MOUNT_POINT', value: '/etc/ssl/custom-certs' },
  ])
  const annotations = {
    'serving.kserve.io/s3-cabundle-configmap': 'own',
    'serving.kserve.io/s3-cabundle': '/certs/own.crt',
  }
  const own = ok({ secrets: [secret('s3', ['AWS_SECRET_ACCESS_KEY'], { annotations })] })
  expect(own.volumes).toEqual([{ name: 'cabundle-cert', configMap: { name: 'own' } }])
  expect(own.container.volumeMounts).toEqual([{ name: 'cabundle-cert', mountPath: '/certs', readOnly: true }])
})

test('a ClusterStorageContainer is merged over it', () => {
  const overlay = {
    name: 'other',
    image: 'corp/fetch:1',
    imagePullPolicy: 'Always',
    command: ['fetch'],
    env: [
      { name: 'HF_TOKEN', value: 'x' },
      { name: 'STORAGE_ALLOW_PATTERNS', value: '["*.safetensors"]' },
    ],
    resources: { limits: { memory: '8Gi' } },
  }
  const { container } = ok({ overlay, secrets: [secret('hf', ['HF_TOKEN'])] })
  expect(container).toMatchObject({
    name: 'storage-initializer',
    image: 'corp/fetch:1',
    imagePullPolicy: 'Always',
    command: ['fetch'],
    args: ['hf://org/model', '/mnt/models'],
    resources: { requests: { cpu: '100m', memory: '100Mi' }, limits: { cpu: '1', memory: '8Gi' } },
  })
  expect(envOf({ overlay, secrets: [secret('hf', ['HF_TOKEN'])] })).toEqual(overlay.env)
  expect(made({ overlay: { args: ['x'] } })).toMatchObject({ ok: false, reason: 'CredentialsMissing' })
})
