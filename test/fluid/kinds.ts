import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'

/** How Fluid's runtimes differ, as far as the API server sees it. */
export interface RuntimeKind {
  resource: Resource
  /** Its name in Dataset.status.runtimes. */
  type: 'jindo' | 'alluxio' | 'juicefs'
  /** The engine that drives it: part of the names of charts and ConfigMaps. */
  engine: 'jindocache' | 'alluxio' | 'juicefs'
  finalizer: string
  mountType: string
  fuseDirectory: string
  /** How often the chart of the loading Job lets it try again. */
  backoffLimit: number
  schemes: readonly string[]
}

export const jindo: RuntimeKind = {
  resource: runtimeResources.Jindo,
  type: 'jindo',
  engine: 'jindocache',
  finalizer: 'jindo-runtime-controller-finalizer',
  mountType: 'jindo',
  fuseDirectory: 'jindofs-fuse',
  backoffLimit: 1,
  schemes: ['oss', 's3', 'cos', 'obs', 'dls', 'hdfs', 'local', 'pvc'],
}

export const alluxio: RuntimeKind = {
  resource: runtimeResources.Alluxio,
  type: 'alluxio',
  engine: 'alluxio',
  finalizer: 'alluxio-runtime-controller-finalizer',
  mountType: 'fuse.alluxio-fuse',
  fuseDirectory: 'alluxio-fuse',
  backoffLimit: 3,
  schemes: ['s3', 'oss', 'gs', 'hdfs', 'http', 'https', 'local', 'pvc'],
}

export const juicefs: RuntimeKind = {
  resource: { ...resources.dataset, plural: 'juicefsruntimes', kind: 'JuiceFSRuntime' },
  type: 'juicefs',
  engine: 'juicefs',
  finalizer: 'juicefs-runtime-controller-finalizer',
  mountType: 'JuiceFS',
  fuseDirectory: 'juicefs-fuse',
  backoffLimit: 3,
  schemes: ['juicefs'],
}

export const runtimeKinds = [jindo, alluxio, juicefs]

export const persistentVolume: Resource = {
  group: '',
  version: 'v1',
  plural: 'persistentvolumes',
  kind: 'PersistentVolume',
  namespaced: false,
}

export const csiDriver: Resource = {
  group: 'storage.k8s.io',
  version: 'v1',
  plural: 'csidrivers',
  kind: 'CSIDriver',
  namespaced: false,
}

/** Fluid's recorder writes Events of the core group. */
export const coreEvent: Resource = {
  group: '',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
}
