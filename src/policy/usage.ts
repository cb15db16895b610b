import { type Annotations, choosePolicy } from './overrides.ts'
import { matchingPolicies, type Policy } from './policy.ts'
import type { Labels } from './selector.ts'

/** What a policy's selectors and a service's choice of policy look at. */
export interface PolicySubject {
  /** For people: `namespace/name`. */
  name: string
  namespaceLabels: Labels
  labels: Labels
  annotations: Annotations
}

/** What one policy does in a cluster. */
export interface PolicyUsage {
  /** How many services it governs. */
  services: number
  /** Other policies of its priority that match services which it matches too, each with one of these services. */
  conflicts: Map<string, string>
}

/** Which policy governs which services, by the name of the policy. */
export function countPolicyUsage(policies: Policy[], services: PolicySubject[]): Map<string, PolicyUsage> {
  const usages = new Map(
    policies.map(({ name }) => [name, { services: 0, conflicts: new Map() } as PolicyUsage]),
  )
  for (const service of services) {
    const matching = matchingPolicies(policies, {
      namespace: service.namespaceLabels,
      service: service.labels,
    })
    const [selected] = matching
    if (selected === undefined) continue
    const chosen = choosePolicy(selected, policies, service.annotations)
    const usage = usages.get(chosen.ok ? chosen.policy.name : selected.name)
    if (usage !== undefined) usage.services += 1
    noteConflicts(usages, matching, service.name)
  }
  return usages
}

/** Of the policies that match a service, those that only their names put in order. */
function noteConflicts(usages: Map<string, PolicyUsage>, matching: Policy[], service: string): void {
  const equals = matching.filter(({ spec }) => spec.priority === matching[0]?.spec.priority)
  for (const one of equals) {
    for (const other of equals) if (one !== other) usages.get(one.name)?.conflicts.set(other.name, service)
  }
}
