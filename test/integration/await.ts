import type { KubeClient } from '../../src/kube/client.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import { type Json, type KubeObject, listAt, type ObjectKey, stringAt } from '../../src/values/object.ts'

/** Asks until there is an answer that is not undefined; says what it waited for when there is none in time. */
export async function eventually<T>(
  what: string,
  find: () => Promise<T | undefined>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs
  for (;;) {
    const found = await find()
    if (found !== undefined) return found
    if (Date.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

export async function eventuallyGone(client: KubeClient, resource: Resource, key: ObjectKey): Promise<void> {
  await eventually(`${resource.plural} ${key.name} to be gone`, async () =>
    (await client.get(resource, key)) === undefined ? true : undefined,
  )
}

export async function podsOf(client: KubeClient, namespace: string, service: string): Promise<KubeObject[]> {
  const labelSelector = `serving.kserve.io/inferenceservice=${service}`
  return (await client.list(resources.pod, { namespace, labelSelector })).items
}

export function condition(object: KubeObject, type: string): Json | undefined {
  return listAt(object, 'status', 'conditions').find((found) => stringAt(found, 'type') === type)
}

export function isTrue(object: KubeObject, type: string): boolean {
  return stringAt(condition(object, type), 'status') === 'True'
}
