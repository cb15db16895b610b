import { type KubeObject, stringAt } from '../values/object.ts'

/** The name of Fluid's PersistentVolume for a Dataset; cluster-scoped (pkg/ddc/base/pv.go). */
export function volumeName(namespace: string, dataset: string): string {
  return `${namespace}-${dataset}`
}

/** Whether a PersistentVolumeClaim was not created by Fluid. */
export function isForeignClaim({ metadata }: KubeObject): boolean {
  return metadata.annotations?.CreatedBy !== 'fluid'
}

/**
 * Whether a PersistentVolume belongs to a Dataset of another namespace: a-b/c and a/b-c have the same volume
 * name. Fluid would use any volume that it created with this name, and the Dataset's PVC would never be
 * bound.
 */
export function isForeignVolume(volume: KubeObject, namespace: string): boolean {
  const claimant = stringAt(volume, 'spec', 'claimRef', 'namespace')
  const name = stringAt(volume, 'spec', 'claimRef', 'name') ?? ''
  return claimant !== namespace || volume.metadata.name !== volumeName(namespace, name)
}
