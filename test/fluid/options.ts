import type { KubeObject } from '../../src/values/object.ts'

/** The speeds and failures of the stand-in. What is not set is as Fluid's chart has it. */
export interface FluidOptions {
  /** From the first look at a Runtime with its Dataset until the Dataset is Bound. */
  bindMs: number
  /** False for a Dataset whose workers never start: nothing is ever said about it. */
  binds: (dataset: KubeObject) => boolean
  /** How often a DataLoad, and a setup that failed, are looked at. */
  pollMs: number
  /** How often progress is written into Dataset.status. */
  syncMs: number
  /** False for a Dataset whose deletion is put off, whether or not it is in use. */
  deletes: (dataset: KubeObject) => boolean
  /** How often the deletion of a Dataset in use is tried. */
  deleteRetryMs: number
  /** The bytes under a mount point, as the Dataset spells it; undefined for one that does not exist: its load fails. */
  modelBytes: (mountPoint: string) => number | undefined
  /** How fast a load fills its cache. */
  bytesPerSecond: number
  /** Why a load is to fail, half-way; undefined for one that shall not. Asked once for each loading Job. */
  failLoad: (dataLoad: KubeObject) => string | undefined
  /**
   * The directory of a real node that its volume is to be; undefined for one that only Fluid's CSI driver could mount.
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
