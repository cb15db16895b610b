/** The source of a cache: one directory, and how to read it. Contains no secret values. */
export interface Source {
  /** Without a trailing slash, e.g. `oss://models/bloom`. */
  uri: string
  /** The part before `://`, in lower case. Which runtimes serve it is in runtimes.ts. */
  scheme: string
  credentials: SourceCredentials
  /** Whether the policy allows workers to read without credentials, with the identity of their node. */
  isReadAsNode?: boolean
  endpoint: { url?: string; region?: string; addressing?: 'virtual' }
  /** Mount options of the policy. They override Warmgate's options. */
  options: { [key: string]: string }
  /** The policy's ThinRuntimeProfile or CacheRuntimeClass, if the runtime needs one. */
  profile?: string
}

export type SourceCredentials =
  | { kind: 'anonymous' }
  | { kind: 'keys'; secretName: string; accessKeyId: string; secretAccessKey: string }
  /** Both keys are inside a JSON value of the Secret, so the cache needs its own Secret. */
  | { kind: 'entry'; secretName: string; entry: string }
  | { kind: 'file'; secretName: string; file: string }
  /** Mount options by name, each with a key of the Secret. */
  | { kind: 'options'; secretName: string; options: { [option: string]: string } }

/** Host (bucket, volume, server) and path of a source; the path has no slash at its ends. */
export function partsOf({ uri }: Source): { host: string; path: string } {
  const [host = '', ...segments] = uri.slice(uri.indexOf('://') + 3).split('/')
  return { host, path: segments.filter((segment) => segment !== '').join('/') }
}
