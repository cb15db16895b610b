import { mountsAnnotation } from '../values/keys.ts'
import { limits } from '../values/limits.ts'
import { type Json, type KubeObject, listAt, stringAt } from '../values/object.ts'
import { segmentsOf } from '../values/text.ts'
import { isStorageInitializer } from './download.ts'

/** The label by which KServe ties a pod to its InferenceService. */
export const serviceLabel = 'serving.kserve.io/inferenceservice'
/** What the pods of LLMInferenceServices carry instead; the service's name is in app.kubernetes.io/name. */
export const llmSelector = 'app.kubernetes.io/part-of=llminferenceservice'
/** The label selectors of all pods of services. */
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

/** The names that KServe gives the containers that serve a model; of a predictor, of its workers, of an LLM's pods. */
const modelContainers = ['kserve-container', 'worker-container', 'main']

export function isModelContainer(container: Json): boolean {
  return modelContainers.includes(stringAt(container, 'name') ?? '')
}

// KServe's pod webhook turns this into a volume. It runs after Warmgate's, so a new pod may not have the
// volume yet.
export const sourceUriAnnotation = 'internal.serving.kserve.io/storage-initializer-sourceuri'

/** A claim that a pod mounts, and which path of it; empty for its root. */
export interface ClaimMount {
  claim: string
  path: string
}

/** As it stands in that annotation: `claim/path`. */
export function mountText({ claim, path }: ClaimMount): string {
  return `${claim}/${path}`
}

function mountsOf(text: string): ClaimMount[] {
  return text.split(',', limits.volumes).flatMap((mount) => claimMount(...splitOnce(mount)))
}

/**
 * What a pod mounts of claims, or will once KServe's webhook has seen it. Of its volumes the first 256 count, and of
 * containers and their mounts the first, too: no pod of KServe's has more.
 */
export function claimMounts(pod: KubeObject): ClaimMount[] {
  const replaced = mountsOf(pod.metadata.annotations?.[mountsAnnotation] ?? '')
  const announced = announcedClaim(pod)
  const all = [...mountedClaims(pod, announced), ...replaced, ...announced]
  return [...new Map(all.map((mount) => [mountText(mount), mount])).values()]
}

/**
 * The claims among a pod's volumes, each at the paths where its containers mount it. KServe before 0.16 may copy the
 * announced path out of a claim that no container mounts (`enableDirectPvcVolumeMount: false`): it is not the root.
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

/** A volume that no container mounts is one that KServe, or Fluid, is about to mount. */
function orRoot(paths: ReadonlySet<string> = new Set()): string[] {
  return paths.size === 0 ? [''] : [...paths].slice(0, limits.volumes)
}

/** The claim that KServe's pod webhook is to mount. */
function announcedClaim(pod: KubeObject): ClaimMount[] {
  const uri = pod.metadata.annotations?.[sourceUriAnnotation] ?? ''
  return uri.startsWith('pvc://') ? claimMount(...splitOnce(uri.slice('pvc://'.length))) : []
}

/** `claim/path` in two. */
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

/** The names of those claims. */
export function claimsOf(pod: KubeObject): string[] {
  return [...new Set(claimMounts(pod).map(({ claim }) => claim))]
}

export function mountsAny(pod: KubeObject, claims: readonly string[]): boolean {
  const mounted = new Set(claimsOf(pod))
  return claims.some((claim) => mounted.has(claim))
}

/**
 * Whether a pod is one of a workload, as all of KServe's are, and not one that somebody made by hand with the labels
 * of a service. KServe v0.20 makes Deployments, and so does Knative for it, whose pods are controlled by a ReplicaSet
 * (pkg/controller/v1beta1/inferenceservice/reconcilers/deployment); for an LLMInferenceService of several nodes it
 * makes LeaderWorkerSets, whose pods are controlled by StatefulSets
 * (pkg/controller/v1alpha2/llmisvc/workload_multi_node.go).
 */
export function isWorkloadPod({ metadata: { ownerReferences = [] } }: KubeObject): boolean {
  const owner = ownerReferences.find(({ controller }) => controller === true)
  return owner?.apiVersion === 'apps/v1' && ['ReplicaSet', 'StatefulSet'].includes(owner.kind)
}

/** Whether KServe made a pod for a service. */
export function belongsToService(pod: KubeObject, { kind, metadata }: KubeObject): boolean {
  const of = isWorkloadPod(pod) ? serviceOfPod(pod) : undefined
  return of?.kind === kind && of.name === metadata.name && pod.metadata.namespace === metadata.namespace
}

/** A pod that is being deleted counts as not alive, as in Fluid. */
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
