import type { AdoptionStatus } from '../policy/schema.ts'
import { type KubeObject, objectAt } from '../values/object.ts'
import type { Mirror } from './mirror.ts'
import { serviceId } from './services.ts'

/** The progress of a policy's adoption, from its status; undefined if adoption never began. */
export function adoptionOf(policy: KubeObject): AdoptionStatus | undefined {
  const { phase, since, service } = objectAt(policy, 'status', 'adoption') as Partial<AdoptionStatus>
  if (phase === undefined || since === undefined) return undefined
  return { phase, since, ...(service === undefined ? {} : { service }) }
}

/**
 * Whether Warmgate creates a cache for a service before it adopts it. Only the policy's status records this.
 */
export function isBeingAdopted({ policies }: Mirror, service: KubeObject): boolean {
  return policies.list().some((policy) => adoptionOf(policy)?.service === serviceId(service))
}
