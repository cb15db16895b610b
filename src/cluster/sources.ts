import type { KserveConfig } from '../kserve/config.ts'
import type { KubeObject } from '../values/object.ts'
import type { CredentialSources } from './credentials.ts'

export interface FactsSources extends CredentialSources {
  /** KServe's namespace, if an administrator names it. */
  kserveNamespace: string | undefined
  /** Parses KServe's ConfigMap, once while it is the same object. */
  kserveConfig: (configMap: KubeObject | undefined) => KserveConfig
}
