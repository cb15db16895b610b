import { type RuntimeName, runtimeNames, runtimes } from '../fluid/runtimes.ts'
import { type Resource, resources } from '../kube/resources.ts'

/** Where the objects of each registered runtime are; not every cluster serves them all. */
export const runtimeResources = Object.fromEntries(
  runtimeNames.map((name) => {
    const { kind, plural } = runtimes[name]
    return [name, { ...resources.dataset, kind, plural }]
  }),
) as Record<RuntimeName, Resource>
