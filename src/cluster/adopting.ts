import type { AdoptionStatus } from '../policy/schema.ts'
import { type KubeObject, objectAt } from '../values/object.ts'
import type { Mirror } from './mirror.ts'
import { serviceId } from './services.ts'

/** Where a policy's adoption stands, as its status says; undefined where it never began. */
export function adoptionOf(policy: KubeObject): AdoptionStatus | undefined {
  const { phase, since, service } = objectAt(policy, 'status', 'adoption') as Partial<AdoptionStatus>
  if (phase === undefined || since === undefined) return undefined
  return { phase, since, ...(service === undefined ? {} : { service }) }
}

/** Whether a service's cache is being made ahead of its adoption: nothing on the service says so. */
export function isBeingAdopted({ policies }: Mirror, service: KubeObject): boolean {
  return policies.list().some((policy) => adoptionOf(policy)?.service === serviceId(service))
}
