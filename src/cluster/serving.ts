import { servingContainers } from '../kserve/container.ts'
import { runtimeOf } from '../kserve/runtime.ts'
import type { Reflector } from '../kube/reflector.ts'
import { llmInferenceServiceConfig, type Resource, resources } from '../kube/resources.ts'
import type { Facts } from '../plan/facts.ts'
import { subjectOf } from '../plan/service/record.ts'
import { getIn, isObject, type KubeObject, listAt, stringAt } from '../values/object.ts'
import type { ReadOptions } from './credentials.ts'
import { findKserve } from './kserve-installation.ts'
import type { FactsSources } from './sources.ts'

/**
 * The ServingRuntimes and configurations that KServe merges into a service's pods. They are often created
 * just before a new service, so that the mirror may lack them. Therefore reads from the API server if the
 * service names an object that the mirror does not have, or if it may get GPUs and the mirror has no runtime
 * that fits it. If one fits, a better one that is milliseconds old is not looked for: that would cost two
 * lists for each new service, and such a runtime only decides on GPUs.
 */
export async function readServing(
  sources: FactsSources,
  service: KubeObject,
  { namespace, freshness, signal }: ReadOptions,
): Promise<Pick<Facts, 'servingRuntimes' | 'llmConfigs'>> {
  const { mirror, client, kserveNamespace } = sources
  const isLlm = service.kind === 'LLMInferenceService'
  const givesGpus = mirror.parsedPolicies().some(({ spec }) => spec.gpu !== undefined)
  const isNew =
    freshness.kind === 'Live' &&
    ((givesGpus && mayLackRuntime(sources, service, namespace)) ||
      namesUnknown(sources, service, namespace)) &&
    mirror.records.proven(service, subjectOf(service, namespace)) === undefined
  const listed = async (copy: Reflector, resource: Resource, where?: string): Promise<KubeObject[]> => {
    if (!isNew) return copy.list(where)
    return await client.list(resource, { namespace: where, signal }).then(
      ({ items }) => items,
      () => {
        signal?.throwIfAborted()
        // The resource is not installed or cannot be read now: use the mirror.
        return copy.list(where)
      },
    )
  }
  const configs = (where: string) =>
    isLlm ? listed(mirror.llmConfigs, llmInferenceServiceConfig(mirror.llmVersion), where) : []
  const [own, cluster, ownConfigs, shared] = await Promise.all([
    isLlm ? [] : listed(mirror.servingRuntimes, resources.servingRuntime, namespace),
    isLlm ? [] : listed(mirror.clusterServingRuntimes, resources.clusterServingRuntime),
    configs(namespace),
    configs(findKserve(mirror, kserveNamespace).namespace),
  ])
  return { servingRuntimes: { own, cluster }, llmConfigs: { own: ownConfigs, shared } }
}

/** Whether the mirror has no ServingRuntime for a service. Custom containers run on none. */
function mayLackRuntime({ mirror }: FactsSources, service: KubeObject, namespace: string): boolean {
  const { kind } = service
  if (kind === 'LLMInferenceService') return true
  const runtimes = {
    own: mirror.servingRuntimes.list(namespace),
    cluster: mirror.clusterServingRuntimes.list(),
  }
  const containers = servingContainers(service)
  if (containers[0] === undefined || containers[0].modelFormat === 'custom') return false
  const isMultiNode = isObject(getIn(service, 'spec', 'predictor', 'workerSpec'))
  return runtimeOf({ kind, containers, isMultiNode }, runtimes) === undefined
}

/** Whether a service names a configuration or a runtime that the mirror does not have. */
function namesUnknown(
  { mirror, kserveNamespace }: FactsSources,
  service: KubeObject,
  namespace: string,
): boolean {
  if (service.kind === 'LLMInferenceService') {
    const names = listAt(service, 'spec', 'baseRefs').map((ref) => stringAt(ref, 'name') ?? '')
    const shared = findKserve(mirror, kserveNamespace).namespace
    const isKnown = (name: string) =>
      [namespace, shared].some((where) => mirror.llmConfigs.get({ namespace: where, name }))
    return names.some((name) => name !== '' && !isKnown(name))
  }
  const name = stringAt(service, 'spec', 'predictor', 'model', 'runtime') ?? ''
  return (
    name !== '' &&
    mirror.servingRuntimes.get({ namespace, name }) === undefined &&
    mirror.clusterServingRuntimes.get({ name }) === undefined
  )
}
