import type { KubeClient } from '../../src/kube/client.ts'
import { type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { resourceOf } from '../warmgate/apply.ts'
import type { Processes } from './processes.ts'

/** Creates objects, all at once: the cluster is new, so none of them is there. */
export async function createAll(client: KubeClient, objects: KubeObject[]): Promise<void> {
  await Promise.all(objects.map((object) => client.create(resourceOf(object), object)))
}

/** Creates CustomResourceDefinitions and waits until the API server serves them. */
export async function establish(client: KubeClient, processes: Processes, crds: KubeObject[]): Promise<void> {
  await createAll(client, crds)
  const names = crds.map(({ metadata }) => metadata.name)
  const [first] = crds
  if (first === undefined) return
  await processes.until(`CustomResourceDefinitions ${names.join(', ')}`, async () => {
    const { items } = await client.list(resourceOf(first))
    const served = items.filter(isEstablished).map(({ metadata }) => metadata.name)
    return names.every((name) => served.includes(name)) || undefined
  })
}

function isEstablished(crd: KubeObject): boolean {
  return hasCondition(crd, 'Established', 'True')
}

export function hasCondition(object: KubeObject | undefined, type: string, status: string): boolean {
  return listAt(object, 'status', 'conditions').some(
    (condition) => stringAt(condition, 'type') === type && stringAt(condition, 'status') === status,
  )
}
