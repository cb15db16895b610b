import { isForeignClaim, isForeignVolume } from '../fluid/volume.ts'
import { type ServiceAccountFact, serviceAccountFact } from '../kserve/account.ts'
import { kserveConfigName, parseKserveConfig } from '../kserve/config.ts'
import { localModelFact } from '../kserve/local-model.ts'
import { type SecretFact, secretFact } from '../kserve/secret.ts'
import type { KubeClient } from '../kube/client.ts'
import { resources } from '../kube/resources.ts'
import type { Facts } from '../plan/facts.ts'
import { isLookedInto, mostSecrets, needsOf } from '../plan/service/needs.ts'
import { isSecretName } from '../plan/service/source.ts'
import { isOptedIn, labelsOf } from '../policy/scope.ts'
import type { Labels } from '../policy/selector.ts'
import { mapConcurrently } from '../values/concurrency.ts'
import type { KubeObject } from '../values/object.ts'
import type { Mirror } from './mirror.ts'
import { readServing } from './serving.ts'
import { readSharedDatasets } from './shared-datasets.ts'
import type { FactsSources } from './sources.ts'

/** How many reads for one service are under way at a time. */
const concurrentReads = 8

/**
 * What a plan needs to know for one service. The mirror has all of it, except for the service accounts and the
 * Secrets that KServe would use: those are read now, a few at a time, and only where the namespace is open. Only
 * their facts are kept. Rejects once the signal aborts.
 */
export async function readFacts(
  sources: FactsSources,
  service: KubeObject,
  namespace: string,
  signal?: AbortSignal,
): Promise<Facts> {
  const { mirror, kserveNamespace } = sources
  const known = {
    namespace,
    namespaceLabels: await freshLabels(sources, namespace),
    policies: mirror.parsedPolicies(),
    kserve: parseKserveConfig(mirror.configMaps.get({ namespace: kserveNamespace, name: kserveConfigName })),
    signer: mirror.records.signer,
  }
  // Whose account downloads the model of an LLMInferenceService may be said by a configuration.
  const serving = isLookedInto(service, known)
    ? await readServing(sources, service, namespace)
    : nothingServed
  const needs = needsOf(service, { ...known, ...serving })
  const reading = { client: sources.client, namespace, signal }
  const [serviceAccounts, named, lent] = await Promise.all([
    readAccounts(reading, needs.accounts),
    readSecrets(reading, needs.secrets),
    readSharedDatasets(sources, needs.lent, { namespace, signal }),
  ])
  const listed = Object.values(serviceAccounts).flatMap(({ secrets }) => secrets)
  const others = [...new Set(listed)].filter((name) => !Object.hasOwn(named, name)).slice(0, mostSecrets)
  return {
    ...known,
    installed: mirror.fluidResources,
    serviceAccounts,
    secrets: { ...named, ...(await readSecrets(reading, others)) },
    ...serving,
    localModels: [...mirror.localModelNamespaceCaches.list(namespace), ...mirror.localModelCaches.list()].map(
      localModelFact,
    ),
    foreignClaims: { has: (name) => isForeign(mirror.claims.get({ namespace, name })) },
    foreignVolumes: {
      has: (name) => {
        const volume = mirror.volumes.get({ name })
        return volume !== undefined && isForeignVolume(volume, namespace)
      },
    },
    datasets: mirror.datasets.list(namespace),
    runtimes: Object.values(mirror.runtimes).flatMap((runtimes) => runtimes.list(namespace)),
    lent,
  }
}

const nothingServed: Pick<Facts, 'servingRuntimes' | 'llmConfigs'> = {
  servingRuntimes: { own: [], cluster: [] },
  llmConfigs: { own: [], shared: [] },
}

/**
 * A namespace that opted in a moment ago is not in the mirror yet, and its first service would be passed over
 * for good: where the mirror says no, the API server is asked.
 */
async function freshLabels({ mirror, client }: FactsSources, namespace: string): Promise<Labels> {
  const known = namespaceLabels(mirror, namespace)
  if (isOptedIn(known)) return known
  const found = await client.get(resources.namespace, { name: namespace })
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

interface Reading {
  client: KubeClient
  namespace: string
  signal: AbortSignal | undefined
}

async function readAccounts(
  { client, namespace, signal }: Reading,
  names: string[],
): Promise<{ [name: string]: ServiceAccountFact }> {
  const found = await mapConcurrently(names, { limit: concurrentReads, signal }, async (name) => {
    const account = await client.get(resources.serviceAccount, { namespace, name }, { signal })
    return [name, serviceAccountFact(account, name)] as const
  })
  return Object.fromEntries(found)
}

async function readSecrets(
  { client, namespace, signal }: Reading,
  names: string[],
): Promise<{ [name: string]: SecretFact }> {
  // A service account may list anything: what cannot be a name is no Secret.
  const found = await mapConcurrently(
    names.filter(isSecretName),
    { limit: concurrentReads, signal },
    async (name) => {
      const secret = await client.get(resources.secret, { namespace, name }, { signal })
      return secret === undefined ? [] : [[name, secretFact(secret)] as const]
    },
  )
  return Object.fromEntries(found.flat())
}
