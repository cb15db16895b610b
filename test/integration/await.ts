import type { KubeClient } from '../../src/kube/client.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import {
  getIn,
  type Json,
  type KubeObject,
  listAt,
  type ObjectKey,
  stringAt,
} from '../../src/values/object.ts'
import { hasCondition } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'

export async function eventuallyGone(client: KubeClient, resource: Resource, key: ObjectKey): Promise<void> {
  await until(`${resource.plural} ${key.name} to be gone`, async () =>
    (await client.get(resource, key)) === undefined ? true : undefined,
  )
}

/** Applies a policy, and waits until Warmgate decides by it. */
export async function applyPolicy(client: KubeClient, policy: KubeObject): Promise<void> {
  const { name = '' } = policy.metadata
  const applied = await client.apply(resources.accelerationPolicy, policy)
  await until(`policy ${name} to be accepted`, async () => {
    const found = await client.get(resources.accelerationPolicy, { name })
    const observed = getIn(found && condition(found, 'Accepted'), 'observedGeneration')
    return Number(observed) >= Number(applied.metadata.generation) || undefined
  })
}

export async function podsOf(client: KubeClient, namespace: string, service: string): Promise<KubeObject[]> {
  const labelSelector = `serving.kserve.io/inferenceservice=${service}`
  return (await client.list(resources.pod, { namespace, labelSelector })).items
}

export function condition(object: KubeObject, type: string): Json | undefined {
  return listAt(object, 'status', 'conditions').find((found) => stringAt(found, 'type') === type)
}

export function isTrue(object: KubeObject, type: string): boolean {
  return hasCondition(object, type, 'True')
}

/** The Events about objects of a name, of whatever kind. */
export async function eventsOf(client: KubeClient, namespace: string, name: string): Promise<KubeObject[]> {
  const { items } = await client.list(resources.event, { namespace })
  return items.filter((event) => stringAt(event, 'regarding', 'name') === name)
}
