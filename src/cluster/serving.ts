import type { Reflector } from '../kube/reflector.ts'
import { llmInferenceServiceConfig, type Resource, resources } from '../kube/resources.ts'
import type { Facts } from '../plan/facts.ts'
import { subjectOf } from '../plan/service/record.ts'
import type { KubeObject } from '../values/object.ts'
import type { ReadOptions } from './credentials.ts'
import { findKserve } from './kserve-installation.ts'
import type { FactsSources } from './sources.ts'

/**
 * What KServe makes a service's pods of, beside the service. Whoever is to get GPUs is decided on once, and what it
 * is made of often comes in the same breath, which the mirror has not heard yet: the API server is asked then.
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
    givesGpus &&
    mirror.records.proven(service, subjectOf(service, namespace)) === undefined
  const listed = async (copy: Reflector, resource: Resource, where?: string): Promise<KubeObject[]> => {
    if (!isNew) return copy.list(where)
    const scope = where === undefined ? {} : { namespace: where }
    return await client.list(resource, { ...scope, ...(signal && { signal }) }).then(
      ({ items }) => items,
      () => {
        signal?.throwIfAborted()
        // Not installed, or not to be had now: the mirror is the next best.
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
