import { type Json, type KubeObject, listAt, objectAt, someObject } from '../../values/object.ts'
import type { Draft } from '../draft.ts'
import { refusesInjection } from './injection.ts'

const preferred = '/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution'
// Fluid's own weight. The weakest weight only breaks ties if the user has node preferences.
const strongest = 100
const weakest = 1

/**
 * Prefers nodes that hold a cache of the pod. The user's own preferences outweigh it. Skips labels that the
 * pod already names, and pods that Fluid's own webhook handles or that opt out of injection.
 */
export function addLocality(draft: Draft, labels: string[]): void {
  if (isFluidsOwn(draft.object)) return
  const written = new Set<string>()
  const spec = objectAt(draft.object, 'spec')
  someObject([objectAt(spec, 'affinity'), objectAt(spec, 'nodeSelector')], (object) => {
    for (const key of Object.keys(object)) written.add(key)
    if (typeof object.key === 'string') written.add(object.key)
    return false
  })
  const weight = listAt(draft.get(preferred)).length > 0 ? weakest : strongest
  for (const label of labels.filter((each) => !written.has(each))) {
    const preference: Json = { matchExpressions: [{ key: label, operator: 'In', values: ['true'] }] }
    draft.append(preferred, { weight, preference })
  }
}

/**
 * Sources: fluid pkg/webhook/handler/mutating,
 * charts/fluid/fluid/templates/webhook/webhookconfiguration.yaml.
 */
function isFluidsOwn(pod: KubeObject): boolean {
  return pod.metadata.labels?.['fuse.serverful.fluid.io/inject'] === 'true' || refusesInjection(pod)
}
