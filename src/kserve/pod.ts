import { type KubeObject, listAt, stringAt } from '../values/object.ts'
import { isStorageInitializer } from './download.ts'

/** The label by which KServe ties a pod to its InferenceService. */
export const serviceLabel = 'serving.kserve.io/inferenceservice'
/** What the pods of LLMInferenceServices carry instead; the service's name is in app.kubernetes.io/name. */
export const llmSelector = 'app.kubernetes.io/part-of=llminferenceservice'
/** By which labels a pod says which service it is of. */
export const podSelectors = [serviceLabel, llmSelector]

/** Which service a pod belongs to, by the labels that KServe puts on it. */
export type PodService = { kind: 'InferenceService' | 'LLMInferenceService'; name: string }

export function serviceOfPod({ metadata: { labels = {} } }: KubeObject): PodService | undefined {
  const name = labels[serviceLabel]
  if (name !== undefined) return { kind: 'InferenceService', name }
  if (labels['app.kubernetes.io/part-of'] !== 'llminferenceservice') return undefined
  return { kind: 'LLMInferenceService', name: labels['app.kubernetes.io/name'] ?? '' }
}

// Of the pods of an LLMInferenceService: -prefill, -leader, -worker and the others begin with it.
const llmWorkload = 'llminferenceservice-workload'

/** Whether a pod serves the service's model: transformers, explainers, routers and schedulers do not. */
export function servesModel(pod: KubeObject): boolean {
  const { component, ...labels } = pod.metadata.labels ?? {}
  const service = serviceOfPod(pod)
  if (service === undefined) return false
  if (service.kind === 'InferenceService') return component === 'predictor'
  // The workers behind a leader are no part of kserve.io/component: no traffic is for them.
  const isWorker = labels['app.kubernetes.io/component']?.startsWith(llmWorkload) === true
  return labels['kserve.io/component'] === 'workload' || isWorker
}

// KServe's pod webhook makes a volume of it: after ours, so that a new pod may not have it yet.
export const sourceUriAnnotation = 'internal.serving.kserve.io/storage-initializer-sourceuri'

/** A claim that a pod mounts, and which path of it; empty for its root. */
export interface ClaimMount {
  claim: string
  path: string
}

/** What a pod mounted before Fluid's webhook put a sidecar and a host path in the place of its claims. */
export const mountsAnnotation = 'warmgate.dev/mounts'

/** As it stands in that annotation: `claim/path`. */
export function mountText({ claim, path }: ClaimMount): string {
  return `${claim}/${path}`
}

function mountsOf(text: string): ClaimMount[] {
  return text.split(',').flatMap((mount) => {
    const [claim = '', ...path] = mount.split('/')
    return claim === '' ? [] : [{ claim, path: plainPath(path.join('/')) }]
  })
}

/** What a pod mounts of claims, or will once KServe's webhook has seen it. */
export function claimMounts(pod: KubeObject): ClaimMount[] {
  const containers = listAt(pod, 'spec', 'containers').flatMap((each) => listAt(each, 'volumeMounts'))
  const mounted = listAt(pod, 'spec', 'volumes').flatMap((volume) => {
    const claim = stringAt(volume, 'persistentVolumeClaim', 'claimName')
    if (claim === undefined) return []
    const name = stringAt(volume, 'name')
    const paths = containers.flatMap((mount) =>
      stringAt(mount, 'name') === name ? [stringAt(mount, 'subPath') ?? ''] : [],
    )
    return (paths.length === 0 ? [''] : paths).map((path) => ({ claim, path: plainPath(path) }))
  })
  const uri = pod.metadata.annotations?.[sourceUriAnnotation] ?? ''
  const [, claim, path = ''] = /^pvc:\/\/([^/]+)(.*)$/.exec(uri) ?? []
  const replaced = mountsOf(pod.metadata.annotations?.[mountsAnnotation] ?? '')
  const all = [...mounted, ...replaced, ...(claim === undefined ? [] : [{ claim, path: plainPath(path) }])]
  return [...new Map(all.map((mount) => [`${mount.claim}/${mount.path}`, mount])).values()]
}

/** The names of those claims. */
export function claimsOf(pod: KubeObject): string[] {
  return [...new Set(claimMounts(pod).map(({ claim }) => claim))]
}

export function mountsAny(pod: KubeObject, claims: readonly string[]): boolean {
  return claimsOf(pod).some((claim) => claims.includes(claim))
}

function plainPath(path: string): string {
  return path
    .split('/')
    .filter((segment) => segment !== '')
    .join('/')
}

/**
 * Whether a pod is one of a workload, as all of KServe's are, and not one that somebody made by hand with the labels of a
 * service. KServe v0.20 makes Deployments, and so does Knative for it, whose pods are controlled by a ReplicaSet
 * (pkg/controller/v1beta1/inferenceservice/reconcilers/deployment); for an LLMInferenceService of several nodes it makes
 * LeaderWorkerSets, whose pods are controlled by StatefulSets (pkg/controller/v1alpha2/llmisvc/workload_multi_node.go).
 */
export function isWorkloadPod({ metadata: { ownerReferences = [] } }: KubeObject): boolean {
  const owner = ownerReferences.find(({ controller }) => controller === true)
  return owner?.apiVersion === 'apps/v1' && ['ReplicaSet', 'StatefulSet'].includes(owner.kind)
}

/** Whether KServe made a pod for a service. */
export function isOf(pod: KubeObject, { kind, metadata }: KubeObject): boolean {
  const of = isWorkloadPod(pod) ? serviceOfPod(pod) : undefined
  return of?.kind === kind && of.name === metadata.name && pod.metadata.namespace === metadata.namespace
}

/** To Fluid, too, a pod that is being deleted uses nothing any more. */
export function isAlive(pod: KubeObject): boolean {
  const phase = stringAt(pod, 'status', 'phase') ?? ''
  return pod.metadata.deletionTimestamp === undefined && !['Succeeded', 'Failed'].includes(phase)
}

/** What the storage initializers of a pod download. */
export function downloadsOf(pod: KubeObject): string[] {
  return listAt(pod, 'spec', 'initContainers')
    .filter(isStorageInitializer)
    .flatMap((container) => listAt(container, 'args'))
    .filter((argument) => typeof argument === 'string')
}
