import { type RuntimeName, runtimeNames, runtimes } from '../fluid/runtimes.ts'
import { apiVersionOf, namespaced, type Resource, resources } from '../kube/resources.ts'

/** The API resource of each registered runtime. A cluster may not serve all of them. */
export const runtimeResources = Object.fromEntries(
  runtimeNames.map((name) => [name, namespaced(apiVersionOf(resources.dataset), runtimes[name].kind)]),
) as Record<RuntimeName, Resource>
