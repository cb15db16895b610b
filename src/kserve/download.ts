import { limits } from '../values/limits.ts'
import {
  getIn,
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  stringAt,
} from '../values/object.ts'

/** The name of KServe's init container that downloads a model. */
export const storageInitializer = 'storage-initializer'

/** Accepts a container or its status. KServe adds a number to the name if a service has several URIs. */
export function isStorageInitializer(container: Json): boolean {
  return stringAt(container, 'name')?.startsWith(storageInitializer) === true
}

/** What a pod's storage initializer downloaded, and how long that took. */
export interface Download {
  uri: string
  tookMs: number
}

/**
 * Undefined until the download has succeeded. Also undefined if the pod downloaded several URIs, because its
 * status has only one time for all of them.
 */
export function downloadOf(pod: KubeObject): Download | undefined {
  const [spec, status] = [
    initializer(pod, 'spec', 'initContainers'),
    initializer(pod, 'status', 'initContainerStatuses'),
  ]
  // Pairs of a URI and a folder.
  const [uri, ...others] = listAt(spec, 'args')
  const ended = getIn(status, 'state', 'terminated')
  if (typeof uri !== 'string' || uri.length > limits.text) return undefined
  if (others.length !== 1 || getIn(ended, 'exitCode') !== 0) return undefined
  const tookMs =
    Date.parse(stringAt(ended, 'finishedAt') ?? '') - Date.parse(stringAt(ended, 'startedAt') ?? '')
  return tookMs >= 0 ? { uri, tookMs } : undefined
}

/** The part of a pod that `downloadOf` reads, for a cache that keeps many pods. */
export function downloadPart(pod: KubeObject): { spec: JsonObject; status: JsonObject } {
  const [spec, status] = [
    initializer(pod, 'spec', 'initContainers'),
    initializer(pod, 'status', 'initContainerStatuses'),
  ]
  const { name = storageInitializer, args = [] } = spec ?? {}
  const { state = {} } = status ?? {}
  return {
    spec: spec === undefined ? {} : { initContainers: [{ name, args }] },
    status: status === undefined ? {} : { initContainerStatuses: [{ name, state }] },
  }
}

function initializer(pod: KubeObject, ...path: string[]): JsonObject | undefined {
  return listAt(pod, ...path)
    .filter(isObject)
    .find(({ name }) => name === storageInitializer)
}
