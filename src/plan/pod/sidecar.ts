import { type ClaimMount, mountText } from '../../kserve/pod.ts'
import { awaitsAnnotation, cacheWarmGate, mountsAnnotation } from '../../values/keys.ts'
import { type KubeObject, listAt, stringAt } from '../../values/object.ts'
import { type Draft, pointer } from '../draft.ts'
import { refusesInjection } from './injection.ts'

/** With this label, Fluid's webhook replaces the PVCs of Datasets in a pod by a FUSE sidecar. */
const injectLabel = 'serverless.fluid.io/inject'

/**
 * How a pod mounts its caches: by the CSI driver of its node (`none`), or by a sidecar. `pending`: the
 * sidecar cannot be injected yet, because Fluid's webhook refuses the pod before every Dataset is Bound.
 */
export type SidecarState = 'none' | 'pending' | 'ready'

/** Whether a pod's own labels already decide about the sidecar. */
export function optsOut(pod: KubeObject): boolean {
  return injectLabel in (pod.metadata.labels ?? {}) || refusesInjection(pod)
}

/**
 * Requests a sidecar for a pod, or gates its scheduling until the sidecar is possible. Fluid injects only at
 * creation, and a refused creation is retried with a backoff of up to 15 minutes. So admit an early pod with
 * a scheduling gate, and replace it once its caches are Bound (controller/pods/sidecars.ts).
 */
export function addSidecar(draft: Draft, state: Exclude<SidecarState, 'none'>, mounts: ClaimMount[]): void {
  if (state === 'ready') {
    draft.set(pointer('metadata', 'labels', injectLabel), 'true')
    // Record the mounts, because the sidecar replaces the pod's PVCs.
    draft.set(pointer('metadata', 'annotations', mountsAnnotation), mounts.map(mountText).join(','))
    return
  }
  draft.set(pointer('metadata', 'annotations', awaitsAnnotation), 'true')
  const gates = listAt(draft.object, 'spec', 'schedulingGates')
  if (!gates.some((gate) => stringAt(gate, 'name') === cacheWarmGate))
    draft.append('/spec/schedulingGates', { name: cacheWarmGate })
}

/** Whether a pod is a placeholder for a pod with a sidecar. */
export function awaitsSidecar({ metadata: { annotations = {} } }: KubeObject): boolean {
  return annotations[awaitsAnnotation] === 'true'
}
