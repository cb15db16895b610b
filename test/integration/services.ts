import type { Json, JsonObject, KubeObject } from '../../src/values/object.ts'

/** A namespace that opts in. */
export function namespace(
  name: string,
  labels: { [key: string]: string } = { 'warmgate.dev/acceleration': 'enabled' },
): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}

export function service(
  namespaceName: string,
  name: string,
  predictor: JsonObject,
  annotations: { [key: string]: string } = {},
): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name, namespace: namespaceName, annotations },
    spec: { predictor },
  }
}

/** A predictor of one's own container, as the demo's: one of a name that KServe will change. */
export function custom(storageUri: string, more: JsonObject = {}): JsonObject {
  const env: Json = [
    { name: 'STORAGE_URI', value: storageUri },
    { name: 'MODEL_NAME', value: 'bloom' },
  ]
  return { containers: [{ name: 'server', image: 'bloom-server:1.0', env, ...more }] }
}

/** The fields of a predictor that name a framework, as KServe has them. */
export const frameworks = [
  'sklearn',
  'xgboost',
  'tensorflow',
  'pytorch',
  'triton',
  'onnx',
  'huggingface',
  'pmml',
  'lightgbm',
  'paddle',
]

export function sklearn(storageUri: string): JsonObject {
  return { model: { modelFormat: { name: 'sklearn' }, storageUri } }
}

export function ossSecret(namespaceName: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'oss-access', namespace: namespaceName },
    stringData: {
      'fs.oss.accessKeyId': 'integration-key-id',
      'fs.oss.accessKeySecret': 'integration-key-secret',
      'fs.oss.endpoint': 'oss-cn-hangzhou-internal.aliyuncs.com',
    },
  }
}

export const usesOssSecret = { 'serving.kserve.io/storageSecretName': 'oss-access' }

export function policy(name: string, spec: JsonObject): KubeObject {
  return { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy', metadata: { name }, spec }
}
