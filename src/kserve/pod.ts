import { type KubeObject, listAt, stringAt } from '../values/object.ts'

/** The label by which KServe ties a pod to its InferenceService. */
export const serviceLabel = 'serving.kserve.io/inferenceservice'
/** What the pods of LLMInferenceServices carry instead; the service's name is in app.kubernetes.io/name. */
export const llmSelector = 'app.kubernetes.io/part-of=llminferenceservice'

/** Which service a pod belongs to, by the labels that KServe puts on it. */
export type PodService = { kind: 'InferenceService' | 'LLMInferenceService'; name: string }

export function serviceOfPod({ metadata: { labels = {} } }: KubeObject): PodService | undefined {
  const name = labels[serviceLabel]
  if (name !== undefined) return { kind: 'InferenceService', name }
  if (labels['app.kubernetes.io/part-of'] !== 'llminferenceservice') return undefined
  return { kind: 'LLMInferenceService', name: labels['app.kubernetes.io/name'] ?? '' }
}

/** Whether a pod serves the service's model: transformers, explainers, routers and schedulers do not. */
export function servesModel(pod: KubeObject): boolean {
  const { component, 'kserve.io/component': llmComponent } = pod.metadata.labels ?? {}
  const service = serviceOfPod(pod)
  if (service === undefined) return false
  return service.kind === 'InferenceService' ? component === 'predictor' : llmComponent === 'workload'
}

// KServe's pod webhook makes a volume of it: after ours, so that a new pod may not have it yet.
export const sourceUriAnnotation = 'internal.serving.kserve.io/storage-initializer-sourceuri'

/** The names of the claims that a pod mounts, or will once KServe's webhook has seen it. */
export function claimsOf(pod: KubeObject): string[] {
  const volumes = listAt(pod, 'spec', 'volumes').flatMap(
    (volume) => stringAt(volume, 'persistentVolumeClaim', 'claimName') ?? [],
  )
  const uri = pod.metadata.annotations?.[sourceUriAnnotation] ?? ''
  const claim = /^pvc:\/\/([^/]+)/.exec(uri)?.[1]
  return [...new Set([...volumes, ...(claim === undefined ? [] : [claim])])]
}
