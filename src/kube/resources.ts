import { keyDomain } from '../values/keys.ts'

/** The parts of a resource's URL and of its objects' type. */
export interface Resource {
  group: string
  version: string
  plural: string
  kind: string
  namespaced: boolean
}

export function namespaced(apiVersion: string, kind: string): Resource {
  const [version = '', group = ''] = apiVersion.split('/').toReversed()
  return { group, version, plural: pluralOf(kind), kind, namespaced: true }
}

export function clusterScoped(apiVersion: string, kind: string): Resource {
  return { ...namespaced(apiVersion, kind), namespaced: false }
}

/** As Kubernetes guesses it (apimachinery, UnsafeGuessKindToResource): true of every kind that Warmgate knows. */
export function pluralOf(kind: string): string {
  return `${kind.toLowerCase()}s`.replace(/ys$/, 'ies')
}

export function apiVersionOf({ group, version }: Pick<Resource, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`
}

export type LlmVersion = 'v1alpha1' | 'v1alpha2'

/** LLMInferenceService: KServe 0.16 has only v1alpha1, later versions store v1alpha2. */
export function llmInferenceService(version: LlmVersion): Resource {
  return namespaced(`serving.kserve.io/${version}`, 'LLMInferenceService')
}

/** The base configurations of LLMInferenceServices, in the same versions. */
export function llmInferenceServiceConfig(version: LlmVersion): Resource {
  return namespaced(`serving.kserve.io/${version}`, 'LLMInferenceServiceConfig')
}

/**
 * Every resource that Warmgate reads or writes, besides Fluid's runtimes (cluster/runtimes.ts). The shipped
 * role (manifests/base) lists the same.
 */
export const resources = {
  namespace: clusterScoped('v1', 'Namespace'),
  pod: namespaced('v1', 'Pod'),
  secret: namespaced('v1', 'Secret'),
  serviceAccount: namespaced('v1', 'ServiceAccount'),
  configMap: namespaced('v1', 'ConfigMap'),
  persistentVolume: clusterScoped('v1', 'PersistentVolume'),
  persistentVolumeClaim: namespaced('v1', 'PersistentVolumeClaim'),
  resourceQuota: namespaced('v1', 'ResourceQuota'),
  limitRange: namespaced('v1', 'LimitRange'),
  event: namespaced('events.k8s.io/v1', 'Event'),
  lease: namespaced('coordination.k8s.io/v1', 'Lease'),
  job: namespaced('batch/v1', 'Job'),
  subjectAccessReview: clusterScoped('authorization.k8s.io/v1', 'SubjectAccessReview'),
  selfSubjectAccessReview: clusterScoped('authorization.k8s.io/v1', 'SelfSubjectAccessReview'),
  mutatingWebhookConfiguration: clusterScoped(
    'admissionregistration.k8s.io/v1',
    'MutatingWebhookConfiguration',
  ),
  servingRuntime: namespaced('serving.kserve.io/v1alpha1', 'ServingRuntime'),
  clusterServingRuntime: clusterScoped('serving.kserve.io/v1alpha1', 'ClusterServingRuntime'),
  clusterStorageContainer: clusterScoped('serving.kserve.io/v1alpha1', 'ClusterStorageContainer'),
  inferenceService: namespaced('serving.kserve.io/v1beta1', 'InferenceService'),
  localModelCache: clusterScoped('serving.kserve.io/v1alpha1', 'LocalModelCache'),
  localModelNamespaceCache: namespaced('serving.kserve.io/v1alpha1', 'LocalModelNamespaceCache'),
  accelerationPolicy: clusterScoped(`${keyDomain}/v1alpha1`, 'AccelerationPolicy'),
  dataset: namespaced('data.fluid.io/v1alpha1', 'Dataset'),
  dataLoad: namespaced('data.fluid.io/v1alpha1', 'DataLoad'),
} as const satisfies Record<string, Resource>
