import { isObject, type JsonObject, type KubeObject, listAt, stringAt } from '../values/object.ts'

/** The settings that Warmgate reads from KServe's ConfigMap `inferenceservice-config`. */
export interface KserveConfig {
  /**
   * The annotation with which a service names the Secret of its credentials; empty if KServe reads no
   * annotation.
   */
  storageSecretAnnotation: string
  /** The Secret in which KServe looks up a storage spec (`storage.key`, `storage.path`). */
  storageSpecSecret: string
  s3: { accessKeyId: string; secretAccessKey: string; defaults: { [option: string]: string } }
  gcsCredentialFile: string
  /** The deployment mode of services that do not name one. */
  deploymentMode: string
  /** Whether every download verifies certificates with the cluster's CA bundle. */
  hasCaBundle: boolean
  /** Whether KServe serves models from LocalModelCaches. */
  localModels: boolean
  /** The resources that a multi-node service may request as its GPUs. */
  gpuTypes: string[]
}

// constants.DefaultGPUResourceTypeList
const gpuTypes = ['nvidia.com/gpu', 'amd.com/gpu', 'intel.com/gpu', 'habana.ai/gaudi']

export const kserveConfigName = 'inferenceservice-config'

/** The settings that KServe ships. Used if there is no ConfigMap to read. */
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

// The S3 options: their name in a Secret, and their name in KServe's ConfigMap.
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
 * Reads the ConfigMap as KServe does. If the ConfigMap exists and names no keys, KServe falls back to names
 * in its code (`awsAccessKeyID`), which differ from the names it ships (pkg/credentials/s3/s3_secret.go).
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
    // If the ConfigMap names no annotation, KServe reads none.
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
    // KServe's manager does not start with such a ConfigMap, so there is no behaviour to match.
    return {}
  }
}
