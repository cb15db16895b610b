import { type KubeObject, stringAt } from '../values/object.ts'

/** The name of the PersistentVolume that Fluid makes for a Dataset: one of the whole cluster (pkg/ddc/base/pv.go). */
export function volumeName(namespace: string, dataset: string): string {
  return `${namespace}-${dataset}`
}

/** Whether a PersistentVolumeClaim was not created by Fluid. */
export function isForeignClaim({ metadata }: KubeObject): boolean {
  return metadata.annotations?.CreatedBy !== 'fluid'
}

/**
 * Whether a PersistentVolume is not that of a Dataset of this namespace. Fluid takes any volume of the right name that
 * it made itself for the Dataset's own, and the Dataset's claim then waits for ever: a-b/c and a/b-c are one name.
 */
export function isForeignVolume(volume: KubeObject, namespace: string): boolean {
  const claimant = stringAt(volume, 'spec', 'claimRef', 'namespace')
  const name = stringAt(volume, 'spec', 'claimRef', 'name') ?? ''
  return claimant !== namespace || volume.metadata.name !== volumeName(namespace, name)
}
