import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { referredDataset } from '../../src/fluid/locality.ts'
import { hasStatus } from '../../src/kube/errors.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import {
  type JsonObject,
  type KubeObject,
  keyOf,
  keyText,
  listAt,
  type ObjectKey,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import type { FluidContext } from './context.ts'
import { persistentVolume } from './kinds.ts'
import { datasetId, datasetLabel, volumeName } from './names.ts'
import { update, updateStatus, withFinalizer, withoutFinalizer } from './update.ts'
import { deleteVolume } from './volume.ts'

const { dataset: datasets, persistentVolumeClaim } = resources
const thinRuntime = runtimeResources.Thin
const volumeGoneMs = 1_000
const finalizer = 'thin-runtime-controller-finalizer'

/** Fluid creates and owns the Runtime of a reference. Source: pkg/utils/dataset_runtime.go. */
export async function createReferenceRuntime({ client }: FluidContext, dataset: KubeObject): Promise<void> {
  const { name = '', namespace = '', uid = '' } = dataset.metadata
  const { apiVersion, kind } = dataset
  const labels = { 'fluid.io/dataset-id': datasetId(dataset) }
  const ownerReferences = [{ apiVersion, kind, name, uid, controller: true }]
  const metadata = { name, namespace, labels, ownerReferences }
  await createUnlessThere(client, thinRuntime, { apiVersion, kind: 'ThinRuntime', metadata, spec: {} })
}

/**
 * A ThinRuntime without a profile: what it mounts is another Dataset. Source: pkg/ddc/thin/referencedataset.
 */
export async function reconcileReference(context: FluidContext, key: ObjectKey): Promise<number | undefined> {
  const { client, options } = context
  const runtime = await client.get(thinRuntime, key)
  if (runtime === undefined || stringAt(runtime, 'spec', 'profileName')) return undefined
  if (runtime.metadata.deletionTimestamp !== undefined) return await shutDown(context, runtime)
  const dataset = await client.get(datasets, key)
  const referred = dataset && referredDataset(dataset)
  if (dataset === undefined || referred === undefined) return options().pollMs
  await update(client, { resource: thinRuntime, key }, (object) => withFinalizer(object, finalizer))
  const { namespace, name, path } = referred
  const physicalKey = { namespace, name }
  const physical = await updateStatus(client, { resource: datasets, key: physicalKey }, (object) =>
    listAt(object, 'status', 'runtimes').length === 0 ? objectAt(object.status) : withReference(object, key),
  )
  if (physical === undefined || listAt(physical, 'status', 'runtimes').length === 0) return options().pollMs
  await updateStatus(client, { resource: datasets, key }, () => statusOf(physical, key))
  await createVolume(context, { dataset, physical, path })
  return options().syncMs
}

function withReference({ status }: KubeObject, key: ObjectKey): JsonObject {
  const references = listAt(status, 'datasetRef')
  const one = keyText(key)
  return { ...objectAt(status), datasetRef: references.includes(one) ? references : [...references, one] }
}

function withoutReference({ status }: KubeObject, key: ObjectKey): JsonObject {
  const references = listAt(status, 'datasetRef').filter((each) => each !== keyText(key))
  return { ...objectAt(status), datasetRef: references }
}

/** The status of the referenced Dataset, except for the Runtime. */
function statusOf(physical: KubeObject, { namespace = '', name }: ObjectKey): JsonObject {
  const { datasetRef: _, ...status } = objectAt(physical, 'status')
  return { ...status, runtimes: [{ name, namespace, category: 'Accelerate', type: 'thin' }] }
}

interface Reference {
  dataset: KubeObject
  physical: KubeObject
  path: string
}

/** A copy of the other's volume, at the path, and for this claim. */
async function createVolume({ client }: FluidContext, { dataset, physical, path }: Reference): Promise<void> {
  const { name = '', namespace = '' } = dataset.metadata
  const theirs = await client.get(persistentVolume, { name: volumeName(physical) })
  if (theirs === undefined) return
  const labels = { [datasetLabel(dataset)]: 'true', 'fluid.io/dataset-id': datasetId(dataset) }
  const accessModes = ['ReadOnlyMany']
  const spec = objectAt(theirs, 'spec')
  const csi = objectAt(spec, 'csi')
  const volumeAttributes = { ...objectAt(csi, 'volumeAttributes'), ...(path && { fluid_sub_path: path }) }
  const { apiVersion, kind } = theirs
  const { annotations } = theirs.metadata
  await createUnlessThere(client, persistentVolume, {
    apiVersion,
    kind,
    metadata: { name: volumeName(dataset), labels, ...(annotations && { annotations }) },
    spec: {
      ...spec,
      ...(spec.csi === undefined ? {} : { csi: { ...csi, volumeAttributes } }),
      accessModes,
      claimRef: { namespace, name },
    },
  })
  await createUnlessThere(client, persistentVolumeClaim, {
    apiVersion,
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace, labels, annotations: { CreatedBy: 'fluid' } },
    spec: {
      volumeName: volumeName(dataset),
      storageClassName: 'fluid',
      accessModes,
      resources: { requests: { storage: stringAt(spec, 'capacity', 'storage') ?? '100Pi' } },
    },
  })
}

async function shutDown({ client }: FluidContext, runtime: KubeObject): Promise<number | undefined> {
  const key = keyOf(runtime)
  const { items } = await client.list(datasets)
  for (const physical of items.filter(({ status }) => listAt(status, 'datasetRef').includes(keyText(key))))
    await updateStatus(client, { resource: datasets, key: keyOf(physical) }, (object) =>
      withoutReference(object, key),
    )
  if (!(await deleteVolume(client, runtime))) return volumeGoneMs
  await update(client, { resource: thinRuntime, key }, (object) => withoutFinalizer(object, finalizer))
  return undefined
}

async function createUnlessThere(
  client: FluidContext['client'],
  resource: Resource,
  object: KubeObject,
): Promise<void> {
  if ((await client.get(resource, keyOf(object))) !== undefined) return
  try {
    await client.create(resource, object)
  } catch (error) {
    if (!hasStatus(error, 409)) throw error
  }
}
