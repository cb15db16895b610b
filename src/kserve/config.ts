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
  /** How KServe runs its storage initializer. */
  initializer: InitializerConfig
  /** Whether KServe serves models from LocalModelCaches. */
  localModels: boolean
  /** The resources that a multi-node service may request as its GPUs. */
  gpuTypes: string[]
}

export interface InitializerConfig {
  image: string
  resources: { requests: { [name: string]: string }; limits: { [name: string]: string } }
  /** The ConfigMap of the CA bundle in KServe's own namespace, empty without one; and where KServe mounts it. */
  caBundleConfigMap: string
  caBundlePath: string
}

// pkg/apis/serving/v1beta1/configmap.go, and pkg/constants.
const shippedInitializer: InitializerConfig = {
  image: 'kserve/storage-initializer:latest',
  resources: { requests: { cpu: '100m', memory: '100Mi' }, limits: { cpu: '1', memory: '1Gi' } },
  caBundleConfigMap: '',
  caBundlePath: '/etc/ssl/custom-certs',
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
  initializer: shippedInitializer,
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
  S3_USE_ACCELERATE: 's3UseAccelerate',
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
    initializer: initializerConfig(parseJson(stringAt(configMap, 'data', 'storageInitializer'))),
    localModels: parseJson(stringAt(configMap, 'data', 'localModel')).enabled === true,
    gpuTypes: [...gpuTypes, ...ownGpuTypes(configMap)],
  }
}

function initializerConfig(settings: JsonObject): InitializerConfig {
  const { image, resources, caBundlePath } = shippedInitializer
  const amount = (field: string, shipped = '') => stringAt(settings, field) || shipped
  return {
    image: stringAt(settings, 'image') || image,
    resources: {
      requests: {
        cpu: amount('cpuRequest', resources.requests.cpu),
        memory: amount('memoryRequest', resources.requests.memory),
      },
      limits: {
        cpu: amount('cpuLimit', resources.limits.cpu),
        memory: amount('memoryLimit', resources.limits.memory),
      },
    },
    caBundleConfigMap: stringAt(settings, 'caBundleConfigMapName') ?? '',
    caBundlePath: stringAt(settings, 'caBundleVolumeMountPath') || caBundlePath,
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
