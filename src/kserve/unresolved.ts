import { limits } from '../values/limits.ts'
import { quoted } from '../values/text.ts'

/** Why credentials that KServe would use cannot be given to Fluid. */
export interface Unresolved {
  ok: false
  reason: 'CredentialsMissing' | 'WorkloadIdentity' | 'TooLarge'
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

/** Of a Secret that a cluster may have, and files leave out. */
export function notAmongFiles(secret: string): string {
  return `Secret ${quoted(secret)} is not among the files: add it to the files`
}
