import { type KubeObject, listAt, type ObjectKey, stringAt } from '../values/object.ts'
import { segmentsOf, trimStartSlashes } from '../values/text.ts'

/** The key of the Dataset that a DataLoad fills. */
export function datasetOf(dataLoad: KubeObject): ObjectKey {
  const { namespace = '' } = dataLoad.metadata
  return { namespace, name: stringAt(dataLoad, 'spec', 'dataset', 'name') ?? dataLoad.metadata.name ?? '' }
}

/** The path that a DataLoad of Warmgate's fills; empty for the whole of its Dataset. */
export function pathOf(dataLoad: KubeObject): string {
  return trimStartSlashes(stringAt(dataLoad, 'spec', 'target', 0, 'path') ?? '')
}

/** Whether a DataLoad is for the whole of its Dataset, as one without a target is. */
export function loadsAll(dataLoad: KubeObject): boolean {
  const targets = listAt(dataLoad, 'spec', 'target')
  return targets.length === 0 || targets.some((target) => (stringAt(target, 'path') ?? '/') === '/')
}

/** Whether a DataLoad, once run, fills what a Dataset holds at a path, or some of it. */
export function fills(dataLoad: KubeObject, { namespace, name }: ObjectKey, path: string): boolean {
  if (stringAt(dataLoad, 'spec', 'dataset', 'name') !== name) return false
  // Without its namespace, or with another, Fluid never runs it.
  if (stringAt(dataLoad, 'spec', 'dataset', 'namespace') !== namespace) return false
  if (!['Once', ''].includes(stringAt(dataLoad, 'spec', 'policy') ?? '')) return false
  const [targets, segments] = [listAt(dataLoad, 'spec', 'target'), segmentsOf(path)]
  return targets.length === 0 || targets.some((target) => overlaps(stringAt(target, 'path') ?? '/', segments))
}

/** Whether one path is the other, or above it, by whole segments. */
function overlaps(target: string, path: string[]): boolean {
  return segmentsOf(target).every((segment, index) => path[index] === undefined || path[index] === segment)
}
