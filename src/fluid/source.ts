/** What a cache reads: one directory, and how to reach it. No value here is a secret. */
export interface Source {
  /** Without a trailing slash, e.g. `oss://models/bloom`. */
  uri: string
  /** The part before `://`, in lower case. Which runtimes serve it is in runtimes.ts. */
  scheme: string
  credentials: SourceCredentials
  /** A policy says that a source without credentials is read as the node that a worker runs on. */
  isReadAsNode?: boolean
  endpoint: { url?: string; region?: string; addressing?: 'virtual' }
  /** A policy's own mount options; they win over what Warmgate would write. */
  options: { [key: string]: string }
  /** A policy's ThinRuntimeProfile or CacheRuntimeClass, where the runtime needs one. */
  profile?: string
}

export type SourceCredentials =
  | { kind: 'anonymous' }
  | { kind: 'keys'; secretName: string; accessKeyId: string; secretAccessKey: string }
  /** Both keys are inside the JSON value at one key of the Secret: the cache needs a Secret of its own. */
  | { kind: 'entry'; secretName: string; entry: string }
  | { kind: 'file'; secretName: string; file: string }
  /** Mount options by name, each with the key of the Secret that holds its value. */
  | { kind: 'options'; secretName: string; options: { [option: string]: string } }

/** Host (bucket, volume, server) and path of a source; the path has no slash at its ends. */
export function partsOf({ uri }: Source): { host: string; path: string } {
  const [host = '', ...segments] = uri.slice(uri.indexOf('://') + 3).split('/')
  return { host, path: segments.filter((segment) => segment !== '').join('/') }
}
