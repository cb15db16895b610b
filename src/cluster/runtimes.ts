import type { RuntimeName } from '../fluid/runtimes.ts'
import { type Resource, resources } from '../kube/resources.ts'

/** Where each runtime's objects are; not every cluster serves them all. */
export const runtimeResources: Record<RuntimeName, Resource> = {
  Jindo: resources.jindoRuntime,
  Alluxio: resources.alluxioRuntime,
  JuiceFS: resources.juicefsRuntime,
  Thin: resources.thinRuntime,
  EFC: resources.efcRuntime,
  Cache: resources.cacheRuntime,
}
