import { type Json, type JsonObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { quoted, trimEndSlashes } from '../values/text.ts'
import { storageInitializer } from './download.ts'

/** Why a model's download cannot be replaced by a volume. */
export interface Obstacle {
  reason:
    | 'NoModelLocation'
    | 'StorageContainerPinned'
    | 'ConfidentialModel'
    | 'WritableModel'
    | 'CustomDownload'
    | 'SharedDownload'
    | 'PvcSource'
    | 'TooLarge'
  message: string
}

/**
 * The volumes that KServe adds to a pod: for a download, and for a claim in place of one. Source: kserve
 * pkg/constants, StorageInitializerVolumeName and PvcSourceMountName.
 */
const ownVolumes = ['kserve-provision-location', 'kserve-pvc-source']

export function confidentialObstacle(model: Json): Obstacle | undefined {
  return objectAt(model, 'confidential').enabled === true ? confidential : undefined
}

const confidential: Obstacle = {
  reason: 'ConfidentialModel',
  message: 'the storage initializer decrypts this model, a mount does not',
}

export function mountObstacle(containers: Json[]): Obstacle | undefined {
  const mounts = containers.flatMap((container) => listAt(container, 'volumeMounts'))
  if (!mounts.some((mount) => trimEndSlashes(stringAt(mount, 'mountPath') ?? '') === '/mnt/models'))
    return undefined
  return { reason: 'PvcSource', message: 'the service mounts its own volume at /mnt/models' }
}

/**
 * The obstacle of a container that mounts a volume of KServe. A volume that is only declared is an obstacle
 * only if it has the name that KServe uses for a PVC. `more` are additional volumes that KServe would add.
 */
export function sharedObstacle(pods: JsonObject[], more: readonly string[] = []): Obstacle | undefined {
  const names = [...ownVolumes, ...more]
  const containers = pods.flatMap((pod) => [...listAt(pod, 'containers'), ...listAt(pod, 'initContainers')])
  const mounted = new Set(containers.flatMap((each) => listAt(each, 'volumeMounts')).map(nameOf))
  const declared = new Set(pods.flatMap((pod) => listAt(pod, 'volumes')).map(nameOf))
  const shared = names.find((name) => mounted.has(name))
  if (shared !== undefined)
    return { reason: 'SharedDownload', message: `a container mounts ${quoted(shared)}, KServe's own volume` }
  const taken = names.slice(1).find((name) => declared.has(name))
  if (taken === undefined) return undefined
  return {
    reason: 'SharedDownload',
    message: `the pod has a volume ${quoted(taken)}: KServe mounts no claim`,
  }
}

function nameOf(value: Json): string {
  return stringAt(value, 'name') ?? ''
}

/**
 * If a pod already has this init container, KServe adds neither its own nor a PVC. Source: kserve
 * pkg/webhook/admission/pod/storage_initializer_injector.go, CommonStorageInitialization.
 */
export function ownInitializerObstacle(pods: JsonObject[]): Obstacle | undefined {
  const inits = pods.flatMap((pod) => listAt(pod, 'initContainers'))
  if (!inits.some((container) => nameOf(container) === storageInitializer)) return undefined
  return {
    reason: 'CustomDownload',
    message: `the pod has an init container ${storageInitializer} of its own: KServe mounts no model then`,
  }
}

/**
 * The obstacle in the annotations of an InferenceService's pod. KServe sets the internal annotations; they
 * mean the same on a service. LLMInferenceServices have none of them. Source: kserve
 * pkg/webhook/admission/pod/ storage_initializer_injector.go.
 */
export function annotationObstacle(annotations: { [key: string]: string }): Obstacle | undefined {
  if (annotations['storage.kserve.io/readonly'] === 'false')
    return {
      reason: 'WritableModel',
      message:
        'storage.kserve.io/readonly is "false": the server may write beside its model, and a cache is read-only',
    }
  if (annotations[`${internal}/confidential-enabled`] === 'true') return confidential
  if (annotations[`${internal}/storage-container-name`])
    return { reason: 'StorageContainerPinned', message: `${internal}/storage-container-name pins it` }
  if (annotations[`${internal}/agent`] !== undefined)
    return { reason: 'NoModelLocation', message: `${internal}/agent: KServe's agent fetches the models` }
  return undefined
}

const internal = 'internal.serving.kserve.io'
