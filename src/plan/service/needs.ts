import type { ModelLocation } from '../../kserve/model-location.ts'
import { readService, type ServiceReader } from '../../kserve/service-view.ts'
import { parseModelUri } from '../../kserve/uri.ts'
import { choosePolicy } from '../../policy/overrides.ts'
import { builtInPolicy, isOpen, type Policy, selectPolicy } from '../../policy/policy.ts'
import type { PolicySource } from '../../policy/schema.ts'
import type { KubeObject } from '../../values/object.ts'
import type { Facts } from '../facts.ts'
import { restored } from './original.ts'
import { provenOriginal, subjectOf } from './record.ts'
import { isPlannable } from './size.ts'
import { type DatasetRef, isShared, matchingRules, namedSecrets } from './source.ts'

/** What to read from the API server for one model location: names in its namespace, and shared Datasets. */
export interface LocationNeeds {
  /** The location's id. */
  location: string
  account: string
  /** Secrets that the service or its policy names. */
  secrets: string[]
  /** Whether the Secrets that its account lists may be used too. */
  usesListed: boolean
  /** Datasets that its policy shares. They are used only if the account may get them. */
  sharedDatasets: DatasetRef[]
}

/** The facts that are known before anything is read for a plan. */
export type KnownFacts = Pick<Facts, 'namespace' | 'namespaceLabels' | 'policies' | 'kserve' | 'signer'>

/**
 * What the plan of a service needs to read, for each location. Nothing if the namespace is not open and
 * admission has not rewritten the service. Nothing for a model that no cache can serve.
 */
export function needsOf(
  service: KubeObject,
  known: KnownFacts & Pick<Facts, 'llmConfigs' | 'servingRuntimes'>,
  read: ServiceReader = readService,
): LocationNeeds[] {
  if (!isPlannable(service) || !isPlanned(service, known)) return []
  const policy = policyOf(service, known)
  return read(restored(service), known).locations.flatMap((location) => {
    if (location.obstacle !== undefined) return []
    const rules = matchingRules(location.model, policy, known.namespace)
    if (!mayBeCached(location, rules)) return []
    const needs = locationNeeds(location, rules, known)
    const { prefillAccount } = location
    return prefillAccount === undefined
      ? [needs]
      : [needs, { ...needs, account: prefillAccount, sharedDatasets: [] }]
  })
}

function locationNeeds(
  location: ModelLocation,
  rules: PolicySource[],
  { namespace, kserve }: KnownFacts,
): LocationNeeds {
  const fromPolicy = rules.flatMap(({ credentials, fill }) =>
    [credentials.secretName, fill?.credentials.secretName].filter((name) => name !== undefined),
  )
  return {
    location: location.id,
    account: location.serviceAccount,
    secrets: [...namedSecrets([location], kserve), ...fromPolicy],
    usesListed: location.annotations[kserve.storageSecretAnnotation] === undefined,
    sharedDatasets: rules.flatMap((rule) => (isShared(rule, namespace) ? rule.dataset : [])),
  }
}

/** Whether a service is planned: its namespace is open, or admission has rewritten it before. */
export function isPlanned(service: KubeObject, known: KnownFacts): boolean {
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

function mayBeCached({ model }: ModelLocation, rules: PolicySource[]): boolean {
  return rules.length > 0 || model.kind === 'storage' || parseModelUri(model.uri).kind === 'directory'
}
