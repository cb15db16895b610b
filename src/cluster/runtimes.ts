import { type RuntimeName, runtimeNames, runtimes } from '../fluid/runtimes.ts'
import { type Resource, resources } from '../kube/resources.ts'

/** The API resource of each registered runtime. A cluster may not serve all of them. */
export const runtimeResources = Object.fromEntries(
  runtimeNames.map((name) => {
    const { kind, plural } = runtimes[name]
    return [name, { ...resources.dataset, kind, plural }]
  }),
) as Record<RuntimeName, Resource>
