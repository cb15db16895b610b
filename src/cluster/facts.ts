import { isForeignClaim, isForeignVolume } from '../fluid/volume.ts'
import { type ServiceAccountFact, serviceAccountFact, serviceAccountNames } from '../kserve/account.ts'
import { kserveConfigName, parseKserveConfig } from '../kserve/config.ts'
import { localModelFact } from '../kserve/local-model.ts'
import { findModelLocations } from '../kserve/location.ts'
import { type SecretFact, secretFact } from '../kserve/secret.ts'
import type { KubeClient } from '../kube/client.ts'
import { resources } from '../kube/resources.ts'
import { Draft } from '../plan/draft.ts'
import type { Facts } from '../plan/facts.ts'
import { lentNames } from '../plan/lent.ts'
import { readOriginal, restore } from '../plan/original.ts'
import { namedSecrets } from '../plan/source.ts'
import { isOptedIn, labelsOf } from '../policy/scope.ts'
import type { Labels } from '../policy/selector.ts'
import type { KubeObject } from '../values/object.ts'
import { readLent } from './lent.ts'
import type { Mirror } from './mirror.ts'
import { readServing } from './serving.ts'

export interface FactsSources {
  mirror: Mirror
  client: KubeClient
  kserveNamespace: string
  /** Whether services are decided on that were created with what they are made of, a moment ago. */
  decidesOnNew?: boolean
}

/**
 * What a plan needs to know for one service. All of it is at hand, but for the service account and the
 * Secrets that KServe would use: those are read now, together, and only their facts are kept. So is what a new
 * service is made of, where a policy has GPUs to give.
 */
export async function readFacts(
  sources: FactsSources,
  service: KubeObject,
  namespace: string,
): Promise<Facts> {
  const { mirror, kserveNamespace } = sources
  const policies = mirror.parsedPolicies()
  const kserve = parseKserveConfig(
    mirror.configMaps.get({ namespace: kserveNamespace, name: kserveConfigName }),
  )
  const { locations } = findModelLocations(asWritten(service))
  const fromPolicies = policies.flatMap(({ spec }) =>
    spec.sources.flatMap((source) => source.credentials.secretName ?? []),
  )
  const [labels, serviceAccounts, known, serving, lent] = await Promise.all([
    freshLabels(sources, namespace),
    readAccounts(sources.client, namespace, serviceAccountNames(locations)),
    readSecrets(sources.client, namespace, [...namedSecrets(locations, kserve), ...fromPolicies]),
    readServing(sources, service, namespace),
    readLent(sources, lentNames(locations, policies, namespace), namespace),
  ])
  const listed = Object.values(serviceAccounts).flatMap(({ secrets }) => secrets)
  const others = listed.filter((name) => !Object.hasOwn(known, name))
  return {
    namespace,
    namespaceLabels: labels,
    policies,
    installed: mirror.fluidResources,
    kserve,
    serviceAccounts,
    secrets: { ...known, ...(await readSecrets(sources.client, namespace, others)) },
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

/** The service as its user wrote it: what it reads with is not in what was made of it. */
export function asWritten(service: KubeObject): KubeObject {
  const original = readOriginal(service)
  if (original === undefined) return service
  const draft = new Draft(service)
  restore(draft, original)
  return draft.object
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

async function readAccounts(
  client: KubeClient,
  namespace: string,
  names: string[],
): Promise<{ [name: string]: ServiceAccountFact }> {
  const found = names.map(async (name) => {
    const account = await client.get(resources.serviceAccount, { namespace, name })
    return [name, serviceAccountFact(account, name)] as const
  })
  return Object.fromEntries(await Promise.all(found))
}

async function readSecrets(
  client: KubeClient,
  namespace: string,
  names: string[],
): Promise<{ [name: string]: SecretFact }> {
  const found = await Promise.all(
    [...new Set(names)].map((name) => client.get(resources.secret, { namespace, name })),
  )
  return Object.fromEntries(
    found.flatMap((secret) =>
      secret === undefined ? [] : [[secret.metadata.name ?? '', secretFact(secret)]],
    ),
  )
}
