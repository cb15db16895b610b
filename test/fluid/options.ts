import type { KubeObject } from '../../src/values/object.ts'

/** The speeds and failures of the stand-in. The defaults are those of Fluid's chart. */
export interface FluidOptions {
  /** The time from the first reconcile of a Runtime with its Dataset until the Dataset is Bound. */
  bindMs: number
  /** False for a Dataset with workers that never start. Fluid reports nothing about it. */
  binds: (dataset: KubeObject) => boolean
  /** How often DataLoads and failed setups are reconciled. */
  pollMs: number
  /** How often progress is written into Dataset.status. */
  syncMs: number
  /** False to delay the deletion of a Dataset, whether or not it is in use. */
  deletes: (dataset: KubeObject) => boolean
  /** How often the deletion of a Dataset in use is tried. */
  deleteRetryMs: number
  /** The bytes below a mount point of a Dataset; undefined if it does not exist, and then its load fails. */
  modelBytes: (mountPoint: string) => number | undefined
  /** How fast a load fills its cache. */
  bytesPerSecond: number
  /** Why a load fails half-way; undefined if it succeeds. Called once for each loading Job. */
  failLoad: (dataLoad: KubeObject) => string | undefined
  /**
   * The directory of a real node that its volume is to be; undefined for one that only Fluid's CSI driver
   * could mount.
   */
  hostPath: (dataset: KubeObject) => string | undefined
}

export const fluidDefaults: FluidOptions = {
  bindMs: 20_000,
  binds: () => true,
  pollMs: 20_000,
  syncMs: 15_000,
  deletes: () => true,
  deleteRetryMs: 10_000,
  modelBytes: () => 2 ** 30,
  bytesPerSecond: 200 * 2 ** 20,
  failLoad: () => undefined,
  hostPath: () => undefined,
}
