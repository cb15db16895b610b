import { type ServiceAccountFact, serviceAccountFact } from '../kserve/account.ts'
import { type SecretFact, secretFact } from '../kserve/secret.ts'
import type { KubeClient } from '../kube/client.ts'
import { resources } from '../kube/resources.ts'
import type { Facts } from '../plan/facts.ts'
import type { LocationNeeds } from '../plan/service/needs.ts'
import { isSecretName } from '../plan/service/source.ts'
import type { Policy } from '../policy/policy.ts'
import type { Clock } from '../values/clock.ts'
import { BoundedReads, type Read } from './bounded-reads.ts'
import type { Mirror } from './mirror.ts'
import { type Freshness, RecentReads } from './recent-reads.ts'
import { mayGet, readSharedDatasets } from './shared-datasets.ts'

export interface ReadOptions {
  namespace: string
  /** Only these policies, instead of all of the cluster. */
  policies?: Policy[]
  freshness: Freshness
  signal: AbortSignal | undefined
}

type CredentialFacts = Pick<Facts, 'serviceAccounts' | 'secrets' | 'sharedDatasets' | 'unread'>

/** Service accounts, Secrets and grants that were read in the last minute, by namespace and name. */
export class RecentCredentials {
  readonly accounts: RecentReads<ServiceAccountFact>
  readonly secrets: RecentReads<SecretFact | undefined>
  readonly grants: RecentReads<boolean>

  constructor(clock: Pick<Clock, 'now'>) {
    this.accounts = new RecentReads(clock, {
      isMissing: ({ isMissing = false }) => isMissing,
      // An account without Secrets may have got its first one a moment ago.
      isReusable: ({ secrets }) => secrets.length > 0,
    })
    this.secrets = new RecentReads(clock, { isReusable: (secret) => secret !== undefined })
    this.grants = new RecentReads(clock)
  }
}

export interface CredentialSources {
  client: KubeClient
  mirror: Mirror
  recent: RecentCredentials
}

/**
 * Reads the credentials that KServe would use for a service, and which shared Datasets its accounts may get.
 * If a location would exceed the read limit, nothing is read for it and `unread` lists it, because a plan
 * with only a part of its credentials would be wrong.
 */
export async function readCredentials(
  { client, mirror, recent }: CredentialSources,
  needs: LocationNeeds[],
  { namespace, freshness, signal }: ReadOptions,
): Promise<CredentialFacts> {
  const accounts = new Map<string, ServiceAccountFact>()
  const secrets = new Map<string, SecretFact>()
  const granted = new Set<string>()

  const account = (name: string): Read => ({
    key: `account ${name}`,
    async run() {
      const fact = await recent.accounts.read(`${namespace}/${name}`, freshness, async () =>
        serviceAccountFact(await client.get(resources.serviceAccount, { namespace, name }, { signal }), name),
      )
      accounts.set(name, fact)
    },
  })
  const secret = (name: string): Read => ({
    key: `secret ${name}`,
    async run() {
      const fact = await recent.secrets.read(`${namespace}/${name}`, freshness, async () => {
        const found = await client.get(resources.secret, { namespace, name }, { signal })
        return found && secretFact(found)
      })
      if (fact !== undefined) secrets.set(name, fact)
    },
  })
  const grant = (use: LocationNeeds['sharedDatasets'][number], by: string): Read => ({
    key: grantKey(use, by),
    async run() {
      const isGranted = await recent.grants.read(`${namespace} ${grantKey(use, by)}`, freshness, () =>
        mayGet(client, use, { namespace, account: by, signal }),
      )
      if (isGranted) granted.add(grantKey(use, by))
    },
  })

  const reads = new BoundedReads()
  const first = needs.filter((each) =>
    reads.add([
      account(each.account),
      ...each.secrets.map(secret),
      ...each.sharedDatasets.map((use) => grant(use, each.account)),
    ]),
  )
  await reads.make(signal)
  const readable = first.filter((each) => {
    const listed = each.usesListed ? (accounts.get(each.account)?.secrets ?? []) : []
    // A service account may list anything: what cannot be a name is no Secret.
    return reads.add(listed.filter(isSecretName).map(secret))
  })
  await reads.make(signal)
  const sharedDatasets = readSharedDatasets(mirror, readable, (use, by) => granted.has(grantKey(use, by)))
  const unread = new Set(needs.filter((each) => !readable.includes(each)).map(({ location }) => location))
  return {
    serviceAccounts: Object.fromEntries(accounts),
    secrets: Object.fromEntries(secrets),
    sharedDatasets,
    unread,
  }
}

function grantKey({ namespace, name }: { namespace: string; name: string }, account: string): string {
  return `grant ${namespace}/${name} ${account}`
}
