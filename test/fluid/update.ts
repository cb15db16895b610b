import { isDeepStrictEqual } from 'node:util'
import type { KubeClient } from '../../src/kube/client.ts'
import { hasStatus } from '../../src/kube/errors.ts'
import type { Resource } from '../../src/kube/resources.ts'
import type { JsonObject, KubeObject, ObjectKey } from '../../src/values/object.ts'

export interface Target {
  resource: Resource
  key: ObjectKey
}

/**
 * Reads an object, changes it and writes it whole, again if another client wrote in between: Fluid's
 * RetryOnConflict. Resolves with the stored object, or undefined if it is gone.
 */
export async function update(
  client: KubeClient,
  { resource, key }: Target,
  change: (object: KubeObject) => KubeObject,
): Promise<KubeObject | undefined> {
  return await rewrite(client, { resource, key }, { change })
}

/** The same, but only for the status. */
export async function updateStatus(
  client: KubeClient,
  { resource, key }: Target,
  change: (object: KubeObject) => JsonObject,
): Promise<KubeObject | undefined> {
  const rewritten = (object: KubeObject) => ({ ...object, status: change(object) })
  return await rewrite(client, { resource, key }, { change: rewritten, subresource: 'status' })
}

async function rewrite(
  client: KubeClient,
  { resource, key }: Target,
  { change, ...options }: { change: (object: KubeObject) => KubeObject; subresource?: 'status' },
): Promise<KubeObject | undefined> {
  for (;;) {
    const object = await client.get(resource, key)
    if (object === undefined) return undefined
    const changed = change(object)
    if (isDeepStrictEqual(object, changed)) return object
    try {
      return await client.replace(resource, changed, options)
    } catch (error) {
      if (hasStatus(error, 404)) return undefined
      if (!hasStatus(error, 409)) throw error
    }
  }
}

export function withFinalizer(object: KubeObject, finalizer: string): KubeObject {
  const { finalizers = [] } = object.metadata
  if (finalizers.includes(finalizer)) return object
  return { ...object, metadata: { ...object.metadata, finalizers: [...finalizers, finalizer] } }
}

export function withoutFinalizer(object: KubeObject, finalizer: string): KubeObject {
  const { finalizers = [] } = object.metadata
  const kept = finalizers.filter((one) => one !== finalizer)
  return { ...object, metadata: { ...object.metadata, finalizers: kept } }
}

/** Appends an owner that is not a controller. */
export function withOwner(object: KubeObject, { apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { ownerReferences = [] } = object.metadata
  const { name = '', uid = '' } = metadata
  if (ownerReferences.some((owner) => owner.uid === uid)) return object
  const owners = [...ownerReferences, { apiVersion, kind, name, uid }]
  return { ...object, metadata: { ...object.metadata, ownerReferences: owners } }
}

export function withLabel(object: KubeObject, label: string, value: string): KubeObject {
  const labels = { ...object.metadata.labels, [label]: value }
  return { ...object, metadata: { ...object.metadata, labels } }
}
