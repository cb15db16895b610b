import type { KubeClient } from '../kube/client.ts'
import type { Mirror } from './mirror.ts'

/** Where the facts are read from. */
export interface FactsSources {
  mirror: Mirror
  client: KubeClient
  kserveNamespace: string
  /** Whether services are decided on that were created with what they are made of, a moment ago. */
  readServingRuntimesLive?: boolean
}
