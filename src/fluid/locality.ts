import { limits } from '../values/limits.ts'
import { type KubeObject, type ObjectKey, stringAt } from '../values/object.ts'
import { trimStartSlashes } from '../values/text.ts'

const prefix = 'fluid.io/s-'
const labelLength = 63

/**
 * The label that Fluid sets to `true` on each node with a worker of this Dataset. If the name would be too
 * long, Fluid uses the Dataset's UID instead; undefined if the UID is needed and not known. Source: fluid
 * pkg/utils/label.go.
 */
export function workerLabel({ namespace, name }: ObjectKey, uid: string | undefined): string | undefined {
  const full = `${prefix}${namespace}-${name}`
  if (full.length < labelLength) return full
  return uid === undefined ? undefined : `${prefix}${uid}`
}

/**
 * The Dataset and path that a reference names (`dataset://namespace/name/path`). Pods should run near its
 * workers.
 */
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
