import { namespaceLimits } from '../fluid/quota.ts'
import { isForeignClaim, isForeignVolume } from '../fluid/volume.ts'
import { storageContainerFacts } from '../kserve/custom-download.ts'
import { localModelFact } from '../kserve/local-model.ts'
import type { ServiceReader } from '../kserve/service-view.ts'
import { isAllowed } from '../kube/access.ts'
import { resources } from '../kube/resources.ts'
import type { Facts } from '../plan/facts.ts'
import { isPlanned, needsOf } from '../plan/service/needs.ts'
import type { Policy } from '../policy/policy.ts'
import { isOptedIn, labelsOf } from '../policy/scope.ts'
import type { Labels } from '../policy/selector.ts'
import type { KubeObject } from '../values/object.ts'
import { type ReadOptions, readCredentials } from './credentials.ts'
import { findKserve } from './kserve-installation.ts'
import type { Mirror } from './mirror.ts'
import { readServing } from './serving.ts'
import type { FactsSources } from './sources.ts'

/**
 * What a plan needs to know for one service. The mirror has all of it, except for the service accounts and Secrets that
 * KServe would use, and the grants of Datasets elsewhere: those are read, up to a limit, and only if the namespace
 * is open. Only their facts are kept. Rejects once the signal aborts.
 */
export async function readFacts(
  sources: FactsSources,
  service: KubeObject,
  options: ReadOptions,
  read?: ServiceReader,
): Promise<Facts> {
  const { mirror, kserveNamespace } = sources
  const { namespace } = options
  const known = {
    namespace,
    namespaceLabels: await readLabels(sources, options),
    policies: options.policies ?? mirror.parsedPolicies(),
    kserve: sources.kserveConfig(findKserve(mirror, kserveNamespace).configMap),
    signer: mirror.records.signer,
  }
  // Read first: a configuration may set the service account of an LLMInferenceService.
  const serving = isPlanned(service, known) ? await readServing(sources, service, options) : nothingServed
  const needs = needsOf(service, { ...known, ...serving }, read)
  const [credentials, mayFill] = await Promise.all([
    readCredentials(sources, needs, options),
    readMayFill(sources, known.policies, options),
  ])
  return {
    ...known,
    ...credentials,
    ...serving,
    mayFill,
    installed: mirror.fluidResources,
    storageContainers: storageContainerFacts(mirror.storageContainers.list()),
    localModels: [...mirror.localModelNamespaceCaches.list(namespace), ...mirror.localModelCaches.list()].map(
      localModelFact,
    ),
    limits: namespaceLimits(mirror.quotas.list(namespace), mirror.limitRanges.list(namespace)),
    foreignClaims: { has: (name) => isForeign(mirror.claims.get({ namespace, name })) },
    foreignVolumes: {
      has: (name) => {
        const volume = mirror.volumes.get({ name })
        return volume !== undefined && isForeignVolume(volume, namespace)
      },
    },
    datasets: mirror.datasets.list(namespace),
    runtimes: Object.values(mirror.runtimes).flatMap((runtimes) => runtimes.list(namespace)),
  }
}

/** Whether Warmgate may create Jobs in a namespace. Asked only if a policy fills mirrors. */
async function readMayFill(
  { client, recent }: FactsSources,
  policies: Policy[],
  { namespace, freshness, signal }: ReadOptions,
): Promise<boolean> {
  const fills = policies.some(({ spec }) =>
    spec.sources.some(({ fill = { mode: 'Never' } }) => fill.mode !== 'Never'),
  )
  if (!fills) return false
  const { group, plural } = resources.job
  const attributes = { verb: 'create', group, resource: plural, namespace }
  return await recent.grants.read(`${namespace} fill`, freshness, () =>
    isAllowed(client, attributes, { signal }),
  )
}

const nothingServed: Pick<Facts, 'servingRuntimes' | 'llmConfigs'> = {
  servingRuntimes: { own: [], cluster: [] },
  llmConfigs: { own: [], shared: [] },
}

/**
 * The mirror may not have a namespace that opted in a moment ago, and its first service would never be
 * accelerated. So a live decision reads the namespace from the API server if the mirror has no opt-in.
 */
async function readLabels(
  { mirror, client }: FactsSources,
  { namespace, freshness, signal }: ReadOptions,
): Promise<Labels> {
  const known = namespaceLabels(mirror, namespace)
  if (isOptedIn(known) || freshness.kind === 'Recent') return known
  const found = await client.get(resources.namespace, { name: namespace }, { signal })
  return labelsOf(namespace, found?.metadata.labels, mirror.systemNamespaces)
}

export function namespaceLabels(mirror: Mirror, namespace: string): Labels {
  const known = mirror.namespaces.get({ name: namespace })
  return labelsOf(namespace, known?.metadata.labels, mirror.systemNamespaces)
}

/** Whether a claim is there, and not Fluid's. */
export function isForeign(claim: KubeObject | undefined): boolean {
  return claim !== undefined && isForeignClaim(claim)
}
