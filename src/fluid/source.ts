/** What a cache reads: one directory of an object store, and how to reach it. No value here is a secret. */
export interface Source {
  /** Without a trailing slash, e.g. `oss://models/bloom`. */
  uri: string
  scheme: 's3' | 'gs' | 'oss'
  credentials: SourceCredentials
  endpoint: { url?: string; region?: string; addressing?: 'virtual' }
  /** A policy's own mount options; they win over what Warmgate would write. */
  options: { [key: string]: string }
}

export type SourceCredentials =
  | { kind: 'anonymous' }
  | { kind: 'keys'; secretName: string; accessKeyId: string; secretAccessKey: string }
  /** Both keys are inside the JSON value at one key of the Secret: the cache needs a Secret of its own. */
  | { kind: 'entry'; secretName: string; entry: string }
  | { kind: 'file'; secretName: string; file: string }
