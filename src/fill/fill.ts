import type { ComponentResources, Toleration } from '../fluid/runtime.ts'
import type { SourceCredentials } from '../fluid/source.ts'
import type { JsonObject } from '../values/object.ts'

/** The download of one model into a mirror. No value here is a secret, except for a query in the
 * arguments of the container. */
export interface Fill {
  /** What is downloaded, for messages: its URI without a query. */
  model: string
  /** The directory in the mirror (path.ts). */
  path: string
  store: Store
  /** KServe's storage initializer, without mounts for the model, and the volumes that it mounts. */
  initializer: { container: JsonObject; volumes: JsonObject[] }
  account: string
  /** Labels that give the pod the identity of its account. */
  labels: { [name: string]: string }
  settings: FillSettings
}

/** Where a mirror is, and how it is written. */
export type Store =
  | {
      kind: 'Bucket'
      scheme: string
      bucket: string
      /** The directory of the mirror in the bucket; empty for its root. */
      prefix: string
      credentials: SourceCredentials
      endpoint: { url?: string; region?: string; addressing?: 'virtual' }
    }
  | { kind: 'Claim'; claim: string; prefix: string }

export interface FillSettings {
  mode: 'IfMissing' | 'Always' | 'Never'
  timeoutMs: number
  /** How often a Job that failed is tried again. */
  retries: number
  resources: ComponentResources
  scratch: { size: string; storageClassName?: string }
  image: string
  tolerations: Toleration[]
}

/** A cache with the download that fills its source. */
export interface Filled {
  name: string
  namespace: string
  fill: Fill
}
