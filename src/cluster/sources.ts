import type { CredentialSources } from './credentials.ts'

/** Where the facts are read from. */
export interface FactsSources extends CredentialSources {
  /** KServe's namespace, if an administrator names it. */
  kserveNamespace: string | undefined
}
