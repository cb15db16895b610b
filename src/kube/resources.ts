/** The parts of a resource's URL and of its objects' type. */
export interface Resource {
  group: string
  version: string
  plural: string
  kind: string
  namespaced: boolean
}

function namespaced(group: string, version: string, plural: string, kind: string): Resource {
  return { group, version, plural, kind, namespaced: true }
}

function clusterScoped(group: string, version: string, plural: string, kind: string): Resource {
  return { group, version, plural, kind, namespaced: false }
}

export type LlmVersion = 'v1alpha1' | 'v1alpha2'

/** LLMInferenceService: KServe 0.16 has only v1alpha1, later versions store v1alpha2. */
export function llmInferenceService(version: LlmVersion): Resource {
  return namespaced('serving.kserve.io', version, 'llminferenceservices', 'LLMInferenceService')
}

/** The base configurations of LLMInferenceServices, in the same versions. */
export function llmInferenceServiceConfig(version: LlmVersion): Resource {
  return namespaced('serving.kserve.io', version, 'llminferenceserviceconfigs', 'LLMInferenceServiceConfig')
}

/**
 * Every resource that Warmgate reads or writes, besides Fluid's runtimes (cluster/runtimes.ts). The shipped
 * role (manifests/base) lists the same.
 */
export const resources = {
  namespace: clusterScoped('', 'v1', 'namespaces', 'Namespace'),
  pod: namespaced('', 'v1', 'pods', 'Pod'),
  secret: namespaced('', 'v1', 'secrets', 'Secret'),
  serviceAccount: namespaced('', 'v1', 'serviceaccounts', 'ServiceAccount'),
  configMap: namespaced('', 'v1', 'configmaps', 'ConfigMap'),
  persistentVolume: clusterScoped('', 'v1', 'persistentvolumes', 'PersistentVolume'),
  persistentVolumeClaim: namespaced('', 'v1', 'persistentvolumeclaims', 'PersistentVolumeClaim'),
  event: namespaced('events.k8s.io', 'v1', 'events', 'Event'),
  lease: namespaced('coordination.k8s.io', 'v1', 'leases', 'Lease'),
  job: namespaced('batch', 'v1', 'jobs', 'Job'),
  subjectAccessReview: clusterScoped(
    'authorization.k8s.io',
    'v1',
    'subjectaccessreviews',
    'SubjectAccessReview',
  ),
  selfSubjectAccessReview: clusterScoped(
    'authorization.k8s.io',
    'v1',
    'selfsubjectaccessreviews',
    'SelfSubjectAccessReview',
  ),
  mutatingWebhookConfiguration: clusterScoped(
    'admissionregistration.k8s.io',
    'v1',
    'mutatingwebhookconfigurations',
    'MutatingWebhookConfiguration',
  ),
  servingRuntime: namespaced('serving.kserve.io', 'v1alpha1', 'servingruntimes', 'ServingRuntime'),
  clusterServingRuntime: clusterScoped(
    'serving.kserve.io',
    'v1alpha1',
    'clusterservingruntimes',
    'ClusterServingRuntime',
  ),
  clusterStorageContainer: clusterScoped(
    'serving.kserve.io',
    'v1alpha1',
    'clusterstoragecontainers',
    'ClusterStorageContainer',
  ),
  inferenceService: namespaced('serving.kserve.io', 'v1beta1', 'inferenceservices', 'InferenceService'),
  localModelCache: clusterScoped('serving.kserve.io', 'v1alpha1', 'localmodelcaches', 'LocalModelCache'),
  localModelNamespaceCache: namespaced(
    'serving.kserve.io',
    'v1alpha1',
    'localmodelnamespacecaches',
    'LocalModelNamespaceCache',
  ),
  accelerationPolicy: clusterScoped('warmgate.dev', 'v1alpha1', 'accelerationpolicies', 'AccelerationPolicy'),
  dataset: namespaced('data.fluid.io', 'v1alpha1', 'datasets', 'Dataset'),
  dataLoad: namespaced('data.fluid.io', 'v1alpha1', 'dataloads', 'DataLoad'),
} as const satisfies Record<string, Resource>
