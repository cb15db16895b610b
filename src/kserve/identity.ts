import { quoted } from '../values/text.ts'
import type { ServiceAccountFact } from './account.ts'
import type { Unresolved } from './unresolved.ts'

export const awsRole = 'eks.amazonaws.com/role-arn'

/** By scheme, the annotation with which the cloud gives a role to the pods of a service account. */
const identities: { [scheme: string]: string } = {
  s3: awsRole,
  gs: 'iam.gke.io/gcp-service-account',
  oss: 'pod-identity.alibabacloud.com/role-name',
}

/**
 * The error for a store that the service's pods read with a cloud role: Fluid's pods do not have that role.
 */
export function identityProblem(
  scheme: string,
  account: ServiceAccountFact | undefined,
): Unresolved | undefined {
  const identity = identities[scheme]
  // An empty annotation gives no role.
  if (identity === undefined || !account?.annotations[identity]) return undefined
  return {
    ok: false,
    reason: 'WorkloadIdentity',
    message: `service account ${quoted(account.name)} reads by workload identity (${identity}), which Fluid's pods do not have; name a Secret in the policy's sources[].credentials`,
  }
}
