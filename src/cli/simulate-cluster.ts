import { runtimeResources } from '../cluster/runtimes.ts'
import { servedLlmVersion } from '../cluster/services.ts'
import { kserveConfigName } from '../kserve/config.ts'
import { podSelectors } from '../kserve/pod.ts'
import type { ListOptions } from '../kube/client.ts'
import { hasStatus } from '../kube/errors.ts'
import { listInstalled } from '../kube/list.ts'
import {
  llmInferenceService,
  llmInferenceServiceConfig,
  type Resource,
  resources,
} from '../kube/resources.ts'
import type { KubeObject } from '../values/object.ts'
import type { Cluster } from './cluster.ts'

/** What a plan reads from a cluster, and the pods of its services. */
export interface ClusterObjects {
  objects: KubeObject[]
  services: KubeObject[]
  pods: KubeObject[]
  /** The plurals of Fluid's resources that the cluster serves. */
  installed: string[]
  /** What may not be read, and so is taken for absent. */
  unread: string[]
}

export async function readClusterObjects(
  { client, namespace, signal }: Omit<Cluster, 'clock'>,
  selector?: string,
): Promise<ClusterObjects> {
  const unread: string[] = []
  const everywhere = async (resource: Resource, options: ListOptions = {}): Promise<KubeObject[]> => {
    try {
      return await listInstalled(client, resource, { signal, ...options })
    } catch (error) {
      if (!hasStatus(error, 403)) throw error
      unread.push(resource.plural)
      return []
    }
  }
  const read = (resource: Resource, options: ListOptions = {}) =>
    everywhere(resource, { namespace, ...options })
  const version = await servedLlmVersion(client)
  const labelled = { labelSelector: selector }
  const [installed, services, pods, ...objects] = await Promise.all([
    client.discover('data.fluid.io', 'v1alpha1'),
    flat([read(resources.inferenceService, labelled), read(llmInferenceService(version), labelled)]),
    flat(podSelectors.map((labelSelector) => read(resources.pod, { labelSelector }))),
    everywhere(resources.namespace),
    everywhere(resources.accelerationPolicy),
    everywhere(resources.configMap, { fieldSelector: `metadata.name=${kserveConfigName}` }),
    everywhere(resources.clusterStorageContainer),
    everywhere(resources.clusterServingRuntime),
    everywhere(resources.localModelCache),
    everywhere(llmInferenceServiceConfig(version)),
    everywhere(resources.dataset),
    read(resources.localModelNamespaceCache),
    read(resources.servingRuntime),
    read(resources.serviceAccount),
    read(resources.secret),
    read(resources.persistentVolumeClaim),
    ...Object.values(runtimeResources).map((resource) => read(resource)),
  ])
  return { objects: objects.flat(), services, pods, installed, unread }
}

async function flat<T>(lists: Promise<T[]>[]): Promise<T[]> {
  return (await Promise.all(lists)).flat()
}
