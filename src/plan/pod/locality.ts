import { type Json, type KubeObject, listAt, objectAt, someObject } from '../../values/object.ts'
import type { Draft } from '../draft.ts'

const preferred = '/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution'
// Fluid's own weight; and that of a mere tie-breaker, where the user prefers nodes by himself.
const strongest = 100
const weakest = 1

/**
 * Prefers nodes that hold a cache of the pod. A preference among others: what stands there is the user's, and outweighs
 * it. Left alone are pods that name the label already, those for which Fluid's own webhook does the same, and those that
 * want nothing injected.
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

/** Sources: fluid pkg/webhook/handler/mutating, charts/fluid/fluid/templates/webhook/webhookconfiguration.yaml. */
function isFluidsOwn({ metadata: { labels = {} } }: KubeObject): boolean {
  return (
    labels['fuse.serverful.fluid.io/inject'] === 'true' || labels['fluid.io/enable-injection'] === 'false'
  )
}
