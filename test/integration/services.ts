import type { Json, JsonObject, KubeObject } from '../../src/values/object.ts'

const suiteLabel = 'warmgate.test/suite'

/** A namespace that opts in. Its suite is a label, too, so that one policy can govern a suite. */
export function namespace(
  name: string,
  labels: { [key: string]: string } = { 'warmgate.dev/acceleration': 'enabled' },
): KubeObject {
  const metadata = { name, labels: { [suiteLabel]: suiteOf(name), ...labels } }
  return { apiVersion: 'v1', kind: 'Namespace', metadata }
}

/** The first word of a namespace's name: `holds` of `holds-scheduling`. Suites share a control plane. */
export function suiteOf(namespaceName: string): string {
  return namespaceName.split('-')[0] ?? ''
}

/**
 * The policy for the namespaces of a suite, with the default of every field. Other policies have priority.
 */
export function suitePolicy(suite: string): KubeObject {
  return policy(suite, { namespaceSelector: { matchLabels: { [suiteLabel]: suite } }, priority: -1 })
}

/** A policy of one namespace, with its name. */
export function policyOf(namespaceName: string, spec: JsonObject): KubeObject {
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': namespaceName } }
  return policy(namespaceName, { namespaceSelector, ...spec })
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

/** A predictor with a custom container, as in the demo. KServe changes the name of the container. */
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
