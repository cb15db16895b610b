/** Why credentials that KServe would use cannot be given to Fluid. */
export interface Unresolved {
  ok: false
  reason: 'CredentialsMissing' | 'WorkloadIdentity'
  message: string
}

export function missing(message: string): Unresolved {
  return { ok: false, reason: 'CredentialsMissing', message }
}
