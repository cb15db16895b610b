import { quoted } from '../values/text.ts'
import type { ServiceAccountFact } from './account.ts'
import type { Unresolved } from './unresolved.ts'

export const awsRole = 'eks.amazonaws.com/role-arn'

/** The annotations by which clouds lend a role to a service account's pods, by the store that it opens. */
const identities: { [scheme: string]: string } = {
  s3: awsRole,
  gs: 'iam.gke.io/gcp-service-account',
  oss: 'pod-identity.alibabacloud.com/role-name',
}

/** The trouble with a store that the service's pods read by a role of their own: Fluid's pods do not have it. */
export function identityProblem(
  scheme: string,
  account: ServiceAccountFact | undefined,
): Unresolved | undefined {
  const identity = identities[scheme]
  // An empty one lends no role.
  if (identity === undefined || !account?.annotations[identity]) return undefined
  return {
    ok: false,
    reason: 'WorkloadIdentity',
    message: `service account ${quoted(account.name)} reads by workload identity (${identity}), which Fluid's pods do not have; name a Secret in the policy's sources[].credentials`,
  }
}
