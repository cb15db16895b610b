import { sourceUriAnnotation } from '../../kserve/pod.ts'
import { cachesAnnotation } from '../../values/keys.ts'
import type { KubeObject } from '../../values/object.ts'
import { Draft, type PatchOperation, pointer } from '../draft.ts'

/**
 * The URI that a new pod's storage initializer would read; undefined if it has none or mounts a PVC already.
 */
export function podSource(pod: KubeObject): string | undefined {
  const uri = pod.metadata.annotations?.[sourceUriAnnotation]
  return uri === undefined || uri.startsWith('pvc://') ? undefined : uri
}

/**
 * Redirects a new pod to a PVC. KServe then mounts it as if the service named it. The pod records the name of
 * its cache in an annotation, because its service does not.
 */
export function redirectPod(pod: KubeObject, claim: string): { pod: KubeObject; patch: PatchOperation[] } {
  const draft = new Draft(pod)
  draft.set(pointer('metadata', 'annotations', cachesAnnotation), /^pvc:\/\/([^/]+)/.exec(claim)?.[1] ?? '')
  draft.set(pointer('metadata', 'annotations', sourceUriAnnotation), claim)
  return { pod: draft.object, patch: draft.patch() }
}
