import { type KubeObject, listAt, type ObjectKey, stringAt } from '../values/object.ts'
import { segmentsOf, trimStartSlashes } from '../values/text.ts'

export function datasetOf(dataLoad: KubeObject): ObjectKey {
  const { namespace = '' } = dataLoad.metadata
  return { namespace, name: stringAt(dataLoad, 'spec', 'dataset', 'name') ?? dataLoad.metadata.name ?? '' }
}

/** The path that a DataLoad of Warmgate fills; empty for the whole Dataset. */
export function pathOf(dataLoad: KubeObject): string {
  return trimStartSlashes(stringAt(dataLoad, 'spec', 'target', 0, 'path') ?? '')
}

/** Whether a DataLoad loads its whole Dataset. A DataLoad without a target does. */
export function loadsAll(dataLoad: KubeObject): boolean {
  const targets = listAt(dataLoad, 'spec', 'target')
  return targets.length === 0 || targets.some((target) => (stringAt(target, 'path') ?? '/') === '/')
}

/** Whether a DataLoad loads a path of a Dataset, or a part of that path. */
export function fills(dataLoad: KubeObject, { namespace, name }: ObjectKey, path: string): boolean {
  if (stringAt(dataLoad, 'spec', 'dataset', 'name') !== name) return false
  // Fluid never runs a DataLoad that names no namespace or another one.
  if (stringAt(dataLoad, 'spec', 'dataset', 'namespace') !== namespace) return false
  if (!['Once', ''].includes(stringAt(dataLoad, 'spec', 'policy') ?? '')) return false
  const [targets, segments] = [listAt(dataLoad, 'spec', 'target'), segmentsOf(path)]
  return targets.length === 0 || targets.some((target) => overlaps(stringAt(target, 'path') ?? '/', segments))
}

/** Whether the paths are equal or one is an ancestor of the other. Compares whole segments. */
function overlaps(target: string, path: string[]): boolean {
  return segmentsOf(target).every((segment, index) => path[index] === undefined || path[index] === segment)
}
