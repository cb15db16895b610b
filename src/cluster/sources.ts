import type { CredentialSources } from './credentials.ts'

/** The sources of the facts. */
export interface FactsSources extends CredentialSources {
  /** KServe's namespace, if an administrator names it. */
  kserveNamespace: string | undefined
}
