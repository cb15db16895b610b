import { mountsAnnotation } from '../values/keys.ts'
import { limits } from '../values/limits.ts'
import { type Json, type KubeObject, listAt, stringAt } from '../values/object.ts'
import { segmentsOf } from '../values/text.ts'
import { isStorageInitializer } from './download.ts'

/** KServe's label on the pods of an InferenceService; the value is the service's name. */
export const serviceLabel = 'serving.kserve.io/inferenceservice'
/** Selects the pods of LLMInferenceServices; their label app.kubernetes.io/name has the service's name. */
export const llmSelector = 'app.kubernetes.io/part-of=llminferenceservice'
/** The label selectors of all pods of services. */
export const podSelectors = [serviceLabel, llmSelector]

/** The service of a pod, from the labels that KServe sets. */
export type PodService = { kind: 'InferenceService' | 'LLMInferenceService'; name: string }

export function serviceOfPod({ metadata: { labels = {} } }: KubeObject): PodService | undefined {
  const name = labels[serviceLabel]
  if (name !== undefined) return { kind: 'InferenceService', name }
  if (labels['app.kubernetes.io/part-of'] !== 'llminferenceservice') return undefined
  return { kind: 'LLMInferenceService', name: labels['app.kubernetes.io/name'] ?? '' }
}

// The prefix of the component label of an LLMInferenceService's pods, e.g. with -prefill, -leader or -worker.
const llmWorkload = 'llminferenceservice-workload'

/** Whether a pod serves the service's model: transformers, explainers, routers and schedulers do not. */
export function servesModel(pod: KubeObject): boolean {
  const { component, ...labels } = pod.metadata.labels ?? {}
  const service = serviceOfPod(pod)
  if (service === undefined) return false
  if (service.kind === 'InferenceService') return component === 'predictor'
  // Workers behind a leader get no traffic, so KServe sets no kserve.io/component label on them.
  const isWorker = labels['app.kubernetes.io/component']?.startsWith(llmWorkload) === true
  return labels['kserve.io/component'] === 'workload' || isWorker
}

/**
 * KServe's names for containers that serve a model: in predictors, in their workers, and in
 * LLMInferenceServices.
 */
const modelContainers = ['kserve-container', 'worker-container', 'main']

export function isModelContainer(container: Json): boolean {
  return modelContainers.includes(stringAt(container, 'name') ?? '')
}

// KServe's pod webhook turns this into a volume. It runs after Warmgate's, so a new pod may not have the
// volume yet.
export const sourceUriAnnotation = 'internal.serving.kserve.io/storage-initializer-sourceuri'

/** A PVC that a pod mounts, and the path in it; '' is the root. */
export interface ClaimMount {
  claim: string
  path: string
}

/** The format of that annotation: `claim/path`. */
export function mountText({ claim, path }: ClaimMount): string {
  return `${claim}/${path}`
}

function mountsOf(text: string): ClaimMount[] {
  return text.split(',', limits.volumes).flatMap((mount) => claimMount(...splitOnce(mount)))
}

/**
 * The PVCs and paths that a pod mounts, or will mount after KServe's webhook. Reads only the first 256
 * volumes, and a bounded number of containers and mounts: no pod of KServe has more.
 */
export function claimMounts(pod: KubeObject): ClaimMount[] {
  const replaced = mountsOf(pod.metadata.annotations?.[mountsAnnotation] ?? '')
  const announced = announcedClaim(pod)
  const all = [...mountedClaims(pod, announced), ...replaced, ...announced]
  return [...new Map(all.map((mount) => [mountText(mount), mount])).values()]
}

/**
 * The PVCs in a pod's volumes, each with the paths that its containers mount. With
 * `enableDirectPvcVolumeMount: false`, KServe before 0.16 copies the announced path from a PVC that no
 * container mounts: do not add its root.
 */
function mountedClaims(pod: KubeObject, announced: ClaimMount[]): ClaimMount[] {
  const volumes = listAt(pod, 'spec', 'volumes').slice(0, limits.volumes)
  const claims = volumes.flatMap((volume) => {
    const claim = stringAt(volume, 'persistentVolumeClaim', 'claimName')
    return claim === undefined ? [] : [{ claim, name: stringAt(volume, 'name') ?? '' }]
  })
  const paths = new Map(claims.map(({ name }) => [name, new Set<string>()]))
  for (const container of listAt(pod, 'spec', 'containers').slice(0, limits.containers)) {
    for (const mount of listAt(container, 'volumeMounts').slice(0, limits.volumes))
      paths.get(stringAt(mount, 'name') ?? '')?.add(stringAt(mount, 'subPath') ?? '')
  }
  const isAnnounced = (claim: string) => announced.some((each) => each.claim === claim)
  return claims
    .filter(({ claim, name }) => paths.get(name)?.size !== 0 || !isAnnounced(claim))
    .flatMap(({ claim, name }) => orRoot(paths.get(name)).map((path) => ({ claim, path })))
    .slice(0, limits.volumes)
    .flatMap(({ claim, path }) => claimMount(claim, path))
}

/** The root, if no container mounts the volume: KServe or Fluid will mount it. */
function orRoot(paths: ReadonlySet<string> = new Set()): string[] {
  return paths.size === 0 ? [''] : [...paths].slice(0, limits.volumes)
}

/** The PVC that KServe's pod webhook will mount. */
function announcedClaim(pod: KubeObject): ClaimMount[] {
  return readClaimUri(pod.metadata.annotations?.[sourceUriAnnotation] ?? '')
}

/** The PVC and the path that a URI names; empty if it names none. */
export function readClaimUri(uri: string): ClaimMount[] {
  return uri.startsWith('pvc://') ? claimMount(...splitOnce(uri.slice('pvc://'.length))) : []
}

/** Splits `claim/path` at the first slash. */
function splitOnce(text: string): [claim: string, path: string] {
  const [claim = ''] = text.split('/', 1)
  return [claim, text.slice(claim.length)]
}

/**
 * Empty if the claim is not a valid name. A path that is too long cannot be mounted; use the claim's root.
 */
function claimMount(claim: string, path: string): ClaimMount[] {
  if (claim === '' || claim.length > limits.name) return []
  return [{ claim, path: path.length > limits.text ? '' : segmentsOf(path).join('/') }]
}

/** The names of the PVCs that a pod mounts. */
export function claimsOf(pod: KubeObject): string[] {
  return [...new Set(claimMounts(pod).map(({ claim }) => claim))]
}

export function mountsAny(pod: KubeObject, claims: readonly string[]): boolean {
  const mounted = new Set(claimsOf(pod))
  return claims.some((claim) => mounted.has(claim))
}

/**
 * Whether a workload controls a pod, as for all pods of KServe. A user can create other pods with the labels
 * of a service. KServe v0.20 and Knative create Deployments, so a ReplicaSet controls the pods
 * (pkg/controller/v1beta1/inferenceservice/reconcilers/deployment). For a multi-node LLMInferenceService,
 * KServe creates a LeaderWorkerSet, so a StatefulSet controls the pods
 * (pkg/controller/v1alpha2/llmisvc/workload_multi_node.go).
 */
export function isWorkloadPod({ metadata: { ownerReferences = [] } }: KubeObject): boolean {
  const owner = ownerReferences.find(({ controller }) => controller === true)
  return owner?.apiVersion === 'apps/v1' && ['ReplicaSet', 'StatefulSet'].includes(owner.kind)
}

/** Whether KServe created a pod for a service. */
export function belongsToService(pod: KubeObject, { kind, metadata }: KubeObject): boolean {
  const of = isWorkloadPod(pod) ? serviceOfPod(pod) : undefined
  return of?.kind === kind && of.name === metadata.name && pod.metadata.namespace === metadata.namespace
}

/** A pod that is being deleted counts as not alive, as in Fluid. */
export function isAlive(pod: KubeObject): boolean {
  const phase = stringAt(pod, 'status', 'phase') ?? ''
  return pod.metadata.deletionTimestamp === undefined && !['Succeeded', 'Failed'].includes(phase)
}

/** The URIs that the storage initializers of a pod download. */
export function downloadsOf(pod: KubeObject): string[] {
  return listAt(pod, 'spec', 'initContainers')
    .filter(isStorageInitializer)
    .flatMap((container) => listAt(container, 'args'))
    .filter((argument) => typeof argument === 'string')
}
