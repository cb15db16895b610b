import { type ClaimMount, mountText } from '../../kserve/pod.ts'
import { awaitsAnnotation, cacheWarmGate, mountsAnnotation } from '../../values/keys.ts'
import { type KubeObject, listAt, stringAt } from '../../values/object.ts'
import { type Draft, pointer } from '../draft.ts'

/** By this label Fluid's webhook puts a FUSE client into a pod, in the place of the claims of its Datasets. */
const injectLabel = 'serverless.fluid.io/inject'
const injectionLabel = 'fluid.io/enable-injection'

/**
 * How a pod gets at its caches: by the CSI driver of its node, or by a sidecar. `pending` is a sidecar that cannot be
 * there yet: before every Dataset is Bound, Fluid's webhook refuses the pod.
 */
export type SidecarState = 'none' | 'pending' | 'ready'

/** Whether a pod is left to what its own labels say. */
export function decidesItself({ metadata: { labels = {} } }: KubeObject): boolean {
  return injectLabel in labels || labels[injectionLabel] === 'false'
}

/**
 * Gives a pod its sidecar, or keeps it from every node until there can be one. Injection is at creation alone, and a
 * refused creation comes back later and later, up to a quarter of an hour: so a pod that comes too early is let in,
 * takes no node and costs nothing, and is replaced when its caches are Bound (controller/pods/sidecars.ts).
 */
export function addSidecar(draft: Draft, state: Exclude<SidecarState, 'none'>, mounts: ClaimMount[]): void {
  if (state === 'ready') {
    draft.set(pointer('metadata', 'labels', injectLabel), 'true')
    // Its claims will not be there to be seen any more.
    draft.set(pointer('metadata', 'annotations', mountsAnnotation), mounts.map(mountText).join(','))
    return
  }
  draft.set(pointer('metadata', 'annotations', awaitsAnnotation), 'true')
  const gates = listAt(draft.object, 'spec', 'schedulingGates')
  if (!gates.some((gate) => stringAt(gate, 'name') === cacheWarmGate))
    draft.append('/spec/schedulingGates', { name: cacheWarmGate })
}

/** Whether a pod stands in for one with a sidecar. */
export function awaitsSidecar({ metadata: { annotations = {} } }: KubeObject): boolean {
  return annotations[awaitsAnnotation] === 'true'
}
