import type { KubeClient } from '../../src/kube/client.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import {
  type KubeObject,
  keyOf,
  listAt,
  type ObjectKey,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { persistentVolume, type RuntimeKind } from './kinds.ts'
import { datasetId, datasetLabel, volumeName } from './names.ts'

const storageClassName = 'fluid'
const mountRoot = '/runtime-mnt'

export interface VolumeOptions {
  dataset: KubeObject
  runtime: KubeObject
  kind: RuntimeKind
  /** The directory that a node without Fluid's CSI driver can mount. */
  hostPath?: string | undefined
}

/** The volume of a Dataset, claimed beforehand. Source: pkg/utils/dataset/volume/create.go. */
export function toVolume({ dataset, runtime, kind, hostPath }: VolumeOptions): KubeObject {
  const { namespace = '', name = '' } = dataset.metadata
  const nodeSelector = Object.entries(objectAt(runtime, 'spec', 'fuse', 'nodeSelector'))
  const expressions = nodeSelector.map(([key, value]) => ({
    key,
    operator: 'In',
    values: value === undefined ? [] : [value],
  }))
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeName(dataset), ...marks(dataset) },
    spec: {
      claimRef: { namespace, name },
      accessModes: accessModes(dataset),
      capacity: { storage: capacity(dataset) },
      storageClassName,
      ...(hostPath === undefined ? { csi: csi(dataset, kind) } : { hostPath: { path: hostPath } }),
      ...(expressions.length === 0
        ? {}
        : { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: expressions }] } } }),
    },
  }
}

function csi(dataset: KubeObject, kind: RuntimeKind) {
  const { namespace = '', name = '' } = dataset.metadata
  return {
    driver: 'fuse.csi.fluid.io',
    volumeHandle: volumeName(dataset),
    volumeAttributes: {
      fluid_path: `${mountRoot}/${kind.type}/${namespace}/${name}/${kind.fuseDirectory}`,
      mount_type: kind.mountType,
      runtime_namespace: namespace,
      runtime_name: name,
    },
  }
}

/**
 * The claim that pods name: the Dataset's own name and namespace. Only JuiceFS renews its FUSE pods by
 * generations.
 */
export function toClaim(dataset: KubeObject, kind: RuntimeKind): KubeObject {
  const { namespace = '', name = '' } = dataset.metadata
  const { labels, annotations } = marks(dataset)
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name,
      namespace,
      labels: { ...labels, ...(kind.type === 'juicefs' ? { 'fuse.runtime.fluid.io/generation': '1' } : {}) },
      annotations,
    },
    spec: {
      volumeName: volumeName(dataset),
      storageClassName,
      accessModes: accessModes(dataset),
      resources: { requests: { storage: capacity(dataset) } },
    },
  }
}

/** Whether Fluid recognizes a volume or PVC as its own. It does not check the content. */
export function isFluids(object: KubeObject): boolean {
  return object.metadata.annotations?.CreatedBy === 'fluid'
}

function marks(dataset: KubeObject) {
  return {
    labels: { [datasetLabel(dataset)]: 'true', 'fluid.io/dataset-id': datasetId(dataset) },
    annotations: { CreatedBy: 'fluid' },
  }
}

function accessModes(dataset: KubeObject) {
  const modes = listAt(dataset, 'spec', 'accessModes')
  return modes.length > 0 ? modes : ['ReadOnlyMany']
}

function capacity(dataset: KubeObject): string {
  return stringAt(dataset, 'metadata', 'annotations', 'pvc.fluid.io/resources.requests.storage') || '100Pi'
}

/**
 * The claim first, then the volume: each is protected until Kubernetes' controllers let it go. Whether both
 * are gone.
 */
export async function deleteVolume(client: KubeClient, runtime: KubeObject): Promise<boolean> {
  const claim = await deleteFluids(client, resources.persistentVolumeClaim, keyOf(runtime))
  return claim && (await deleteFluids(client, persistentVolume, { name: volumeName(runtime) }))
}

/** Whether it has gone, or was never Fluid's. */
async function deleteFluids(client: KubeClient, resource: Resource, key: ObjectKey): Promise<boolean> {
  const found = await client.get(resource, key)
  if (found === undefined || !isFluids(found)) return true
  if (found.metadata.deletionTimestamp === undefined) await client.delete(resource, key)
  return (await client.get(resource, key)) === undefined
}
