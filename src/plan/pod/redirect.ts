import { sourceUriAnnotation } from '../../kserve/pod.ts'
import { cachesAnnotation } from '../../values/keys.ts'
import type { KubeObject } from '../../values/object.ts'
import { Draft, type PatchOperation, pointer } from '../draft.ts'

/** What the storage initializer of a new pod would read; undefined where it has none, or a volume already. */
export function podSource(pod: KubeObject): string | undefined {
  const uri = pod.metadata.annotations?.[sourceUriAnnotation]
  return uri === undefined || uri.startsWith('pvc://') ? undefined : uri
}

/**
 * Turns a new pod to a claim: KServe then mounts it, as it does for a service that names the claim itself. The pod
 * says whose claim it is, since its service does not.
 */
export function redirectPod(pod: KubeObject, claim: string): { pod: KubeObject; patch: PatchOperation[] } {
  const draft = new Draft(pod)
  draft.set(pointer('metadata', 'annotations', cachesAnnotation), /^pvc:\/\/([^/]+)/.exec(claim)?.[1] ?? '')
  draft.set(pointer('metadata', 'annotations', sourceUriAnnotation), claim)
  return { pod: draft.object, patch: draft.patch() }
}
