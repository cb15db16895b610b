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

/** The contribution of one service to the usages. */
interface Share {
  id: string
  name: string
  governedBy: string
  /** The matching policies that share the highest priority, so that only their names order them. */
  equals: string[]
}

/** Counts which policy governs which services. A service may be added and removed at any time. */
export class PolicyUsageCounter {
  readonly #policies: Policy[]
  readonly #shares = new Map<string, Share>()
  readonly #services = new Map<string, number>()
  /** By a policy, and by another one: the names of the services that both match, by ID. */
  readonly #conflicts = new Map<string, Map<string, Map<string, string>>>()

  constructor(policies: Policy[]) {
    this.#policies = policies
  }

  /** `id` is unique among services. */
  add(id: string, service: PolicySubject): void {
    this.remove(id)
    const share = this.#shareOf(id, service)
    if (share === undefined) return
    this.#shares.set(id, share)
    this.#change(share, 1)
  }

  remove(id: string): void {
    const share = this.#shares.get(id)
    if (share === undefined) return
    this.#shares.delete(id)
    this.#change(share, -1)
  }

  /** By the name of the policy. */
  usages(): Map<string, PolicyUsage> {
    return new Map(
      this.#policies.map(({ name }) => {
        const conflicts = [...(this.#conflicts.get(name) ?? [])].map(
          ([other, [[, service] = ['', '']]]) => [other, service] as const,
        )
        return [name, { services: this.#services.get(name) ?? 0, conflicts: new Map(conflicts) }]
      }),
    )
  }

  #shareOf(id: string, service: PolicySubject): Share | undefined {
    const { name, namespaceLabels: namespace, labels, annotations } = service
    const matching = matchingPolicies(this.#policies, { namespace, service: labels })
    const [selected] = matching
    if (selected === undefined) return undefined
    const chosen = choosePolicy(selected, this.#policies, annotations)
    const equals = matching.filter(({ spec }) => spec.priority === selected.spec.priority)
    return {
      id,
      name,
      governedBy: chosen.ok ? chosen.policy.name : selected.name,
      equals: equals.length > 1 ? equals.map((policy) => policy.name) : [],
    }
  }

  #change(share: Share, by: 1 | -1): void {
    const { governedBy, equals } = share
    this.#services.set(governedBy, (this.#services.get(governedBy) ?? 0) + by)
    for (const one of equals)
      for (const other of equals) if (one !== other) this.#noteConflict(share, { one, other, by })
  }

  #noteConflict({ id, name }: Share, { one, other, by }: { one: string; other: string; by: 1 | -1 }): void {
    const others = this.#conflicts.get(one) ?? new Map<string, Map<string, string>>()
    const services = others.get(other) ?? new Map<string, string>()
    this.#conflicts.set(one, others.set(other, services))
    if (by > 0) services.set(id, name)
    else services.delete(id)
    if (services.size === 0) others.delete(other)
  }
}
