import { referredDataset } from '../../src/fluid/locality.ts'
import { resources } from '../../src/kube/resources.ts'
import { type KubeObject, listAt, type ObjectKey, objectAt, stringAt } from '../../src/values/object.ts'
import type { FluidContext } from './context.ts'
import { isDns1035Label } from './names.ts'
import { createReferenceRuntime } from './reference.ts'
import { update, updateStatus, withFinalizer, withoutFinalizer } from './update.ts'
import { isFluids } from './volume.ts'

const resource = resources.dataset
const finalizer = 'fluid-dataset-controller-finalizer'

/** Fluid's dataset controller. Source: pkg/controllers/v1alpha1/dataset/dataset_controller.go. */
export async function reconcileDataset(context: FluidContext, key: ObjectKey): Promise<number | undefined> {
  const { client } = context
  const dataset = await client.get(resource, key)
  if (dataset === undefined) return undefined
  if (!isDns1035Label(key.name)) return await refuse(context, dataset)
  if (dataset.metadata.deletionTimestamp !== undefined) return await release(context, dataset)
  await update(client, { resource, key }, (object) => withFinalizer(object, finalizer))
  if (referredDataset(dataset) !== undefined) await createReferenceRuntime(context, dataset)
  await updateStatus(client, { resource, key }, ({ status }) => ({
    ...objectAt(status),
    ...(stringAt(status, 'phase') ? {} : { phase: 'NotBound', conditions: listAt(status, 'conditions') }),
  }))
  return undefined
}

/** An error that comes back, and a phase that stays empty. */
async function refuse({ events }: FluidContext, dataset: KubeObject): Promise<never> {
  const name = dataset.metadata.name
  const problem = `metadata.name: Invalid value: "${name}": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character`
  const message = `Failed to create dataset because err: ${problem}`
  await events.record(dataset, { type: 'Warning', reason: 'ErrorCreateDataset', message })
  throw new Error(message)
}

async function release(context: FluidContext, dataset: KubeObject): Promise<number | undefined> {
  const { client, events, options } = context
  const { namespace = '', name = '', uid = '' } = dataset.metadata
  if (!options().deletes(dataset)) return options().deleteRetryMs
  const user = await userOf(context, dataset)
  if (user !== undefined) {
    const message = `Failed to delete dataset because err: can not delete dataset because Pod ${user} in Namespace ${namespace} is using it`
    await events.record(dataset, { type: 'Warning', reason: 'ErrorDeleteDataset', message })
    return options().deleteRetryMs
  }
  const references = await referencesTo(context, dataset)
  if (references.length > 0) {
    const message = `Failed to delete dataset because there are datasets [${references.join(' ')}] mounted to it`
    await events.record(dataset, { type: 'Warning', reason: 'ErrorDeleteDataset', message })
    return options().deleteRetryMs
  }
  // A test may have put the deletion off since.
  if (!options().deletes(dataset)) return options().deleteRetryMs
  await update(client, { resource, key: { namespace, name } }, (object) =>
    object.metadata.uid === uid ? withoutFinalizer(object, finalizer) : object,
  )
  return undefined
}

/** The Datasets that refer to it, and are still there. */
async function referencesTo({ client }: FluidContext, dataset: KubeObject): Promise<string[]> {
  const listed = listAt(dataset, 'status', 'datasetRef').map(String)
  const found = await Promise.all(
    listed.map(async (text) => {
      const [namespace = '', name = ''] = text.split('/')
      return (await client.get(resource, { namespace, name })) === undefined ? [] : [text]
    }),
  )
  return found.flat()
}

/** A pod that names the Dataset's claim and is not over; one that is being deleted counts as over. */
async function userOf({ client }: FluidContext, dataset: KubeObject): Promise<string | undefined> {
  const { namespace = '', name = '' } = dataset.metadata
  const claim = await client.get(resources.persistentVolumeClaim, { namespace, name })
  if (claim === undefined || !isFluids(claim)) return undefined
  const pods = await client.list(resources.pod, { namespace })
  return pods.items.find((pod) => uses(pod, name) && !isOver(pod))?.metadata.name
}

function uses(pod: KubeObject, claim: string): boolean {
  const volumes = listAt(pod, 'spec', 'volumes')
  return volumes.some((volume) => stringAt(volume, 'persistentVolumeClaim', 'claimName') === claim)
}

function isOver(pod: KubeObject): boolean {
  const phase = stringAt(pod, 'status', 'phase') ?? ''
  return pod.metadata.deletionTimestamp !== undefined || ['Succeeded', 'Failed'].includes(phase)
}
