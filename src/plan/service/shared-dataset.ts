import { isOurs } from '../../fluid/dataset.ts'
import { isWritable, sharedPathIn } from '../../fluid/existing.ts'
import { cacheName } from '../../fluid/name.ts'
import { isReference, referenceTo } from '../../fluid/reference.ts'
import { runtimes } from '../../fluid/runtimes.ts'
import type { ModelLocation } from '../../kserve/model-location.ts'
import type { Policy } from '../../policy/policy.ts'
import { quoted } from '../../values/text.ts'
import type { Facts, SharedDataset } from '../facts.ts'
import type { OriginalLocation } from './original.ts'
import {
  type DatasetRef,
  isShared,
  matchingRules,
  nameConflict,
  type ReadSource,
  type SourceRefused,
  type SourceResult,
} from './source.ts'

/** A Dataset that a policy shares by name, and the service accounts that would read it. */
export interface SharedDatasetUse extends DatasetRef {
  accounts: string[]
}

/** The Datasets of other namespaces to look up, before the policy of the service is known. */
export function sharedDatasetUses(
  locations: ModelLocation[],
  policies: Policy[],
  namespace: string,
): SharedDatasetUse[] {
  const found = new Map<string, SharedDatasetUse>()
  for (const { model, serviceAccount } of locations) {
    for (const policy of policies) {
      for (const rule of matchingRules(model, policy, namespace)) {
        if (!isShared(rule, namespace)) continue
        const { namespace: theirs, name } = rule.dataset
        const key = `${theirs}/${name}`
        const accounts = [...new Set([...(found.get(key)?.accounts ?? []), serviceAccount])]
        found.set(key, { namespace: theirs, name, accounts })
      }
    }
  }
  return [...found.values()]
}

/**
 * The reference to the Dataset that a rule shares, if the service's account may get that Dataset and the
 * Dataset contains the model. A message for an account without access reveals nothing about the Dataset.
 */
export function referenceFor(
  read: ReadSource,
  { serviceAccount }: ModelLocation,
  facts: Facts,
): SourceResult | undefined {
  const { rule } = read
  if (!isShared(rule, facts.namespace)) return undefined
  const { namespace, name } = rule.dataset
  const shared = facts.sharedDatasets.find((each) => each.namespace === namespace && each.name === name)
  if (shared?.allowedAccounts.includes(serviceAccount) !== true)
    return refused('CredentialsMissing', notGranted(rule.dataset, `${facts.namespace}:${serviceAccount}`))
  const path = pathOf(shared, read)
  if (path === undefined)
    return refused(
      'RuntimeUnavailable',
      `Dataset ${name} of namespace ${namespace} does not show ${quoted(read.source.uri)}: it must exist, be Bound and read-only, and an Alluxio, Jindo or JuiceFS Runtime must mount the source from the same endpoint`,
    )
  if (!facts.installed.includes(runtimes.Thin.plural))
    return refused('RuntimeUnavailable', 'ThinRuntime is not installed: Fluid needs it to serve references')
  const source = referenceTo(rule.dataset, path)
  const cache = cacheName(facts.namespace, source)
  const taken = nameConflict(cache, facts)
  if (taken !== undefined) return refused('NameTaken', taken)
  return { ok: true, uri: read.uri, source, runtime: 'Thin', name: cache }
}

/** A kept reference as it would be created today; undefined if the kept cache is no reference. */
export function sameReference(
  read: ReadSource,
  { before: { cache }, location }: { before: OriginalLocation; location: ModelLocation },
  facts: Facts,
): SourceResult | undefined {
  const known = facts.datasets.find(({ metadata }) => metadata.name === cache)
  const isOne =
    known === undefined
      ? isShared(read.rule, facts.namespace) && cache !== cacheName(facts.namespace, read.source)
      : isOurs(known) && isReference(known)
  if (!isOne) return undefined
  const reference = referenceFor(read, location, facts)
  if (reference !== undefined && (!reference.ok || reference.name === cache)) return reference
  return refused(
    'RuntimeUnavailable',
    `cache ${cache} refers to a Dataset that no policy names for ${quoted(read.uri)} any more: it is not created again`,
  )
}

function pathOf({ dataset, runtimes: known }: SharedDataset, { source }: ReadSource): string | undefined {
  if (dataset === undefined || isWritable(dataset)) return undefined
  return sharedPathIn({ dataset, runtimes: known }, source)
}

function notGranted({ namespace, name }: DatasetRef, account: string): string {
  return `system:serviceaccount:${account} may not get Dataset ${name} of namespace ${namespace}: its owner grants it there, by a Role (get, data.fluid.io, datasets, ${name}) and a RoleBinding to that service account`
}

function refused(reason: SourceRefused['reason'], message: string): SourceRefused {
  return { ok: false, reason, message }
}
