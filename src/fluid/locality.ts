import { limits } from '../values/limits.ts'
import { type KubeObject, type ObjectKey, stringAt } from '../values/object.ts'
import { trimStartSlashes } from '../values/text.ts'

const prefix = 'fluid.io/s-'
const labelLength = 63

/**
 * The label that Fluid puts on each node that a worker of this Dataset runs on, with the value `true`; what would be too
 * long for a label becomes the Dataset's UID, and is not known before that. Source: fluid pkg/utils/label.go.
 */
export function workerLabel({ namespace, name }: ObjectKey, uid: string | undefined): string | undefined {
  const full = `${prefix}${namespace}-${name}`
  if (full.length < labelLength) return full
  return uid === undefined ? undefined : `${prefix}${uid}`
}

/** The Dataset that a Dataset refers to (`dataset://namespace/name/path`), and where in it; its workers are the ones to be near. */
export function referredDataset(
  dataset: KubeObject,
): { namespace: string; name: string; path: string } | undefined {
  const uri = stringAt(dataset, 'spec', 'mounts', 0, 'mountPoint') ?? ''
  const start = 'dataset://'
  if (!uri.startsWith(start) || uri.length > limits.text) return undefined
  const [namespace = '', name = '', ...path] = uri.slice(start.length).split('/')
  if (namespace === '' || name === '') return undefined
  return { namespace, name, path: trimStartSlashes(path.join('/')) }
}
