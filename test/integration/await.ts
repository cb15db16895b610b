import type { KubeClient } from '../../src/kube/client.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import {
  getIn,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  type ObjectKey,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { applyAll, hasCondition } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { namespace, policyOf } from './services.ts'

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

/** A pod of a service that is Ready, and as it is wanted. */
export async function readyPod(
  client: KubeClient,
  { namespace = '', name }: ObjectKey,
  wanted: (pod: KubeObject) => boolean = () => true,
): Promise<KubeObject> {
  return await podWith(client, { namespace, name }, (pod) => isTrue(pod, 'Ready') && wanted(pod))
}

/** Waits for a matching pod of a service. The error of a timeout describes its pods. */
export async function podWith(
  client: KubeClient,
  { namespace = '', name }: ObjectKey,
  wanted: (pod: KubeObject) => boolean = () => true,
): Promise<KubeObject> {
  return await until(`a pod of ${namespace}/${name}`, async () => {
    const pods = await podsOf(client, namespace, name)
    const found = pods.find(wanted)
    if (found === undefined) throw new Error(`its pods: ${JSON.stringify(pods.map(podState))}`)
    return found
  })
}

function podState({ metadata, spec, status }: KubeObject): JsonObject {
  const { nodeName, schedulingGates, readinessGates } = objectAt(spec)
  const { phase, conditions, initContainerStatuses } = objectAt(status)
  return {
    name: metadata.name,
    nodeName,
    schedulingGates,
    readinessGates,
    phase,
    conditions,
    initContainerStatuses,
  }
}

export async function datasetWith(
  client: KubeClient,
  key: ObjectKey,
  wanted: (dataset: KubeObject) => boolean,
): Promise<KubeObject> {
  return await until(`the Dataset ${key.namespace}/${key.name} as it should be`, async () => {
    const found = await client.get(resources.dataset, key)
    return found !== undefined && wanted(found) ? found : undefined
  })
}

/** Creates a namespace with its own policy, and waits until the policy governs it. */
export async function governNamespace(client: KubeClient, ns: string, spec: JsonObject): Promise<void> {
  await applyAll(client, [namespace(ns)])
  await applyPolicy(client, policyOf(ns, spec))
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
