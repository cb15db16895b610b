import type { CredentialSources } from './credentials.ts'

/** Where the facts are read from. */
export interface FactsSources extends CredentialSources {
  kserveNamespace: string
}
