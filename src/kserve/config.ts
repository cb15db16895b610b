import { isObject, type JsonObject, type KubeObject, listAt, stringAt } from '../values/object.ts'

/** What Warmgate needs of KServe's ConfigMap `inferenceservice-config`. */
export interface KserveConfig {
  /** The annotation by which a service names its credentials' Secret; empty where none does. */
  storageSecretAnnotation: string
  /** The Secret that a storage spec (`storage.key`, `storage.path`) is looked up in. */
  storageSpecSecret: string
  s3: { accessKeyId: string; secretAccessKey: string; defaults: { [option: string]: string } }
  gcsCredentialFile: string
  /** How services are deployed that do not say. */
  deploymentMode: string
  /** Whether every download verifies by a bundle of certificate authorities of the cluster's. */
  hasCaBundle: boolean
  /** Whether KServe serves models from LocalModelCaches. */
  localModels: boolean
  /** The resources that a multi-node service may ask for as its GPUs. */
  gpuTypes: string[]
}

// constants.DefaultGPUResourceTypeList
const gpuTypes = ['nvidia.com/gpu', 'amd.com/gpu', 'intel.com/gpu', 'habana.ai/gaudi']

export const kserveConfigName = 'inferenceservice-config'

/** As KServe ships it: what stands in where there is no ConfigMap to read. */
export const shippedKserveConfig: KserveConfig = {
  storageSecretAnnotation: 'serving.kserve.io/storageSecretName',
  storageSpecSecret: 'storage-config',
  s3: { accessKeyId: 'AWS_ACCESS_KEY_ID', secretAccessKey: 'AWS_SECRET_ACCESS_KEY', defaults: {} },
  gcsCredentialFile: 'gcloud-application-credentials.json',
  deploymentMode: 'Serverless',
  hasCaBundle: false,
  localModels: false,
  gpuTypes,
}

// KServe's own names for the S3 options in its ConfigMap, by the name that they have in a Secret.
const s3Defaults = {
  S3_ENDPOINT: 's3Endpoint',
  S3_USE_HTTPS: 's3UseHttps',
  AWS_DEFAULT_REGION: 's3Region',
  S3_VERIFY_SSL: 's3VerifySSL',
  S3_USER_VIRTUAL_BUCKET: 's3UseVirtualBucket',
  awsAnonymousCredential: 's3UseAnonymousCredential',
  AWS_CA_BUNDLE: 's3CABundle',
  AWS_CA_BUNDLE_CONFIGMAP: 's3CABundleConfigMap',
} as const

/**
 * Reads the ConfigMap as KServe does. A present ConfigMap without key names means KServe's fallbacks in
 * code (`awsAccessKeyID`), which differ from the names it ships (pkg/credentials/s3/s3_secret.go).
 */
export function parseKserveConfig(configMap: KubeObject | undefined): KserveConfig {
  if (configMap === undefined) return shippedKserveConfig
  const credentials = parseJson(stringAt(configMap, 'data', 'credentials'))
  const s3 = isObject(credentials.s3) ? credentials.s3 : {}
  const defaults = Object.entries(s3Defaults).flatMap(([option, field]) => {
    const value = s3[field]
    return typeof value === 'string' && value !== '' ? [[option, value] as const] : []
  })
  return {
    // Without a name for it, KServe looks at no annotation.
    storageSecretAnnotation: stringAt(credentials, 'storageSecretNameAnnotation') ?? '',
    storageSpecSecret:
      stringAt(credentials, 'storageSpecSecretName') || shippedKserveConfig.storageSpecSecret,
    s3: {
      accessKeyId: stringAt(s3, 's3AccessKeyIDName') || 'awsAccessKeyID',
      secretAccessKey: stringAt(s3, 's3SecretAccessKeyName') || 'awsSecretAccessKey',
      defaults: Object.fromEntries(defaults),
    },
    gcsCredentialFile:
      stringAt(credentials, 'gcs', 'gcsCredentialFileName') || shippedKserveConfig.gcsCredentialFile,
    deploymentMode: stringAt(parseJson(stringAt(configMap, 'data', 'deploy')), 'defaultDeploymentMode') ?? '',
    hasCaBundle: Boolean(
      stringAt(parseJson(stringAt(configMap, 'data', 'storageInitializer')), 'caBundleConfigMapName'),
    ),
    localModels: parseJson(stringAt(configMap, 'data', 'localModel')).enabled === true,
    gpuTypes: [...gpuTypes, ...ownGpuTypes(configMap)],
  }
}

function ownGpuTypes(configMap: KubeObject): string[] {
  const types = listAt(parseJson(stringAt(configMap, 'data', 'multiNode')), 'customGPUResourceTypeList')
  return types.filter((type) => typeof type === 'string')
}

function parseJson(text = '{}'): JsonObject {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    // KServe's manager does not start with such a ConfigMap; there is nothing to agree with.
    return {}
  }
}
