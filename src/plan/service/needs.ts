import type { ModelLocation } from '../../kserve/model-location.ts'
import { readService } from '../../kserve/service-view.ts'
import { parseModelUri } from '../../kserve/uri.ts'
import { choosePolicy } from '../../policy/overrides.ts'
import { builtInPolicy, isOpen, type Policy, selectPolicy } from '../../policy/policy.ts'
import { limits } from '../../values/limits.ts'
import type { KubeObject } from '../../values/object.ts'
import type { Facts } from '../facts.ts'
import { restored } from './original.ts'
import { provenOriginal, subjectOf } from './record.ts'
import { type SharedDatasetUse, sharedDatasetUses } from './shared-dataset.ts'
import { isPlannable } from './size.ts'
import { matchingRules, namedSecrets } from './source.ts'

/**
 * What has to be read of the cluster for one service: names in its own namespace, and Datasets that its policy lends.
 */
export interface Needs {
  accounts: string[]
  /** Beside those that the accounts list. */
  secrets: string[]
  lent: SharedDatasetUse[]
}

export const nothingNeeded: Needs = { accounts: [], secrets: [], lent: [] }

/** How many service accounts and Secrets are read for one service: one review must not cost thousands of calls. */
export const mostAccounts = 8
export const mostSecrets = limits.accountSecrets
const mostLent = 8

/** What a plan can be told before anything is read for it. */
export type KnownFacts = Pick<Facts, 'namespace' | 'namespaceLabels' | 'policies' | 'kserve' | 'signer'>

/**
 * What the plan of a service needs to be read: nothing where its namespace is not open and admission has rewritten
 * nothing in it, and nothing for a model that can be no cache's.
 */
export function needsOf(service: KubeObject, known: KnownFacts & Pick<Facts, 'llmConfigs'>): Needs {
  if (!isPlannable(service) || !isLookedInto(service, known)) return nothingNeeded
  const { namespace, kserve } = known
  const policy = policyOf(service, known)
  const locations = readService(restored(service), known).locations.filter(
    (location) => location.obstacle === undefined && mayBeCached(location, policy, namespace),
  )
  const fromPolicy = locations.flatMap(({ model }) =>
    matchingRules(model, policy, namespace).flatMap(({ credentials }) => credentials.secretName ?? []),
  )
  const accounts = distinct(locations.map(({ serviceAccount }) => serviceAccount)).slice(0, mostAccounts)
  const asking = locations.filter(({ serviceAccount }) => accounts.includes(serviceAccount))
  return {
    accounts,
    secrets: distinct([...namedSecrets(locations, kserve), ...fromPolicy]).slice(0, mostSecrets),
    lent: sharedDatasetUses(asking, [policy], namespace).slice(0, mostLent),
  }
}

/** Whether a service is looked into at all: its namespace is open, or it was rewritten before that was closed. */
export function isLookedInto(service: KubeObject, known: KnownFacts): boolean {
  return (
    isOpen(known.policies, known.namespaceLabels) ||
    provenOriginal(service, known.signer, subjectOf(service, known.namespace)) !== undefined
  )
}

function policyOf({ metadata }: KubeObject, { policies, namespaceLabels }: KnownFacts): Policy {
  const { labels = {}, annotations = {} } = metadata
  const selected = selectPolicy(policies, { namespace: namespaceLabels, service: labels }) ?? builtInPolicy
  const chosen = choosePolicy(selected, policies, annotations)
  return chosen.ok ? chosen.policy : selected
}

function mayBeCached({ model }: ModelLocation, policy: Policy, namespace: string): boolean {
  return (
    model.kind === 'storage' ||
    parseModelUri(model.uri).kind === 'directory' ||
    matchingRules(model, policy, namespace).length > 0
  )
}

function distinct(names: string[]): string[] {
  return [...new Set(names)]
}
