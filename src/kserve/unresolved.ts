import { limits } from '../values/limits.ts'
import { quoted } from '../values/text.ts'
import type { ServiceAccountFact } from './account.ts'

/** Why credentials that KServe would use cannot be given to Fluid. */
export interface Unresolved {
  ok: false
  reason: 'CredentialsMissing' | 'CredentialsPending' | 'WorkloadIdentity' | 'TooLarge'
  message: string
}

/** The trouble with a Secret that has more keys than are read. */
export function tooManyKeys(secret: string, count: number): Unresolved {
  const message = `Secret ${quoted(secret)} has ${count} keys: at most ${limits.secretKeys} are read`
  return { ok: false, reason: 'TooLarge', message }
}

export function missing(message: string): Unresolved {
  return { ok: false, reason: 'CredentialsMissing', message }
}

/**
 * The error for a missing object. In a cluster it may be created a moment later, and KServe creates no pod
 * before that. An object that is missing from files is never waited for.
 */
export function absent(message: string, account: ServiceAccountFact | undefined): Unresolved {
  return account?.isFromFiles ? missing(message) : { ok: false, reason: 'CredentialsPending', message }
}

/** Why a service account cannot be used: it is named and does not exist. Undefined if it exists. */
export function absentAccount(account: ServiceAccountFact | undefined): Unresolved | undefined {
  // The cluster may have the account although the files do not: assume that it lists no Secrets.
  if (!account?.isMissing || account.isFromFiles) return undefined
  return absent(`there is no service account ${quoted(account.name)} in the service's namespace`, account)
}

/** The message for a Secret that is not in the files, but may be in the cluster. */
export function notAmongFiles(secret: string): string {
  return `Secret ${quoted(secret)} is not among the files: add it to the files`
}
