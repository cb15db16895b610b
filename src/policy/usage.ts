import { type Annotations, choosePolicy } from './overrides.ts'
import { matchingPolicies, type Policy } from './policy.ts'
import type { Labels } from './selector.ts'

/** The data of a service that selects its policy. */
export interface PolicySubject {
  /** For messages: `namespace/name`. */
  name: string
  namespaceLabels: Labels
  labels: Labels
  annotations: Annotations
}

/** The services that one policy governs, and the policies that conflict with it. */
export interface PolicyUsage {
  /** How many services it governs. */
  services: number
  /** Other policies with the same priority that match the same services, each with one such service. */
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

/** Records the matching policies that share the highest priority, so that only their names order them. */
function noteConflicts(usages: Map<string, PolicyUsage>, matching: Policy[], service: string): void {
  const equals = matching.filter(({ spec }) => spec.priority === matching[0]?.spec.priority)
  for (const one of equals) {
    for (const other of equals) if (one !== other) usages.get(one.name)?.conflicts.set(other.name, service)
  }
}
