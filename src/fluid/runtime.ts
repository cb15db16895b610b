import type { JsonObject } from '../values/object.ts'
import type { Source } from './source.ts'

/** How one Fluid runtime caches a source. */
export interface Runtime {
  kind: string
  /** Its resource's plural name in data.fluid.io. */
  plural: string
  /** What it mounts; `named` is whatever a policy names it for, since its images or classes decide. */
  schemes: readonly string[] | 'named'
  /** The names of Secrets that it can mount; without it, every name. */
  mountableSecret?: RegExp
  /** Whether a DataLoad can fill it. A cache of one that cannot be filled is warm as soon as it is Bound. */
  isLoadable: boolean
  /** Options that its DataLoads need. */
  loadOptions?: { [key: string]: string }
  /** Fields of its spec that Fluid takes up while a cache stands, and without a restart of its workers. */
  live: readonly string[]
  /** Why this runtime cannot read the source although it serves its scheme. */
  refuses(source: Source): string | undefined
  mount(source: Source): Mount
  spec(source: Source, settings: CacheSettings): JsonObject
}

/** What a Dataset mounts. */
export interface Mount {
  mountPoint: string
  /** Where the runtime gives the mount's name a meaning of its own; otherwise it is the cache's. */
  name?: string
  options: { [key: string]: string }
  encryptOptions: JsonObject[]
}

export interface CacheTier {
  medium: string
  path: string
  quota: string
  high?: string
  low?: string
  volumeType?: string
}

export interface Toleration {
  key?: string
  operator?: string
  value?: string
  effect?: string
  tolerationSeconds?: number
}

/** The part of a policy that shapes a cache, and never its name. */
export interface CacheSettings {
  replicas: number
  tieredStore: CacheTier[]
  /** Nodes for masters and workers; never for FUSE, which must follow the pods. */
  nodeSelector: { [label: string]: string }
  tolerations: Toleration[]
  /** When Fluid takes the FUSE pod off a node. */
  cleanPolicy: 'OnRuntimeDeleted' | 'OnDemand'
  /** Merged into the Runtime's spec. */
  template: JsonObject
  warmup: {
    enabled: boolean
    replicas: number
    retries: number
    /** What comes of a warm cache that has lost much of its model; `Report` where it is left out. */
    onEviction?: 'Report' | 'Rewarm'
    /** A cron by which it is warmed again; none where it is empty or left out. */
    schedule?: string
  }
}

/** Tiers as Alluxio writes them; the water marks are strings to Fluid. */
export function tieredStore({ tieredStore: tiers }: Pick<CacheSettings, 'tieredStore'>): JsonObject {
  return { levels: tiers.map(({ medium, ...rest }) => ({ mediumtype: medium, ...rest })) }
}

/** Of runtimes that know a single tier: the first one. */
export function firstTier({ tieredStore: tiers }: CacheSettings): CacheTier[] {
  return tiers.slice(0, 1)
}

/** Where masters and workers run; empty where they may run anywhere. */
export function nodeSelection({ nodeSelector }: CacheSettings): JsonObject {
  return Object.keys(nodeSelector).length === 0 ? {} : { nodeSelector }
}

/** `fields` under `name`, or nothing where there are none. */
export function section(name: string, fields: JsonObject): JsonObject {
  return Object.keys(fields).length === 0 ? {} : { [name]: fields }
}

/** Fluid's default is not written. */
export function fuse({ cleanPolicy }: CacheSettings, more: JsonObject = {}): JsonObject {
  return section('fuse', cleanPolicy === 'OnRuntimeDeleted' ? more : { ...more, cleanPolicy })
}

/** A directory: Jindo takes a mount point without its slash for an object. */
export function directory({ uri }: Source): string {
  return `${uri}/`
}

/** Amazon's endpoints have a host name for each bucket. */
export function isAmazon(url: string): boolean {
  return /\.amazonaws\.com(:[0-9]+)?\/?$/.test(url)
}

/** An option whose value a runtime reads from a Secret by itself. */
export function encrypted(name: string, secretName: string, key: string): JsonObject {
  return { name, valueFrom: { secretKeyRef: { name: secretName, key } } }
}

/**
 * The options that a Secret fills: those that were named one by one, or the pair of keys under the names that
 * the runtime gives them.
 */
export function secretOptions(
  { credentials }: Source,
  pair: readonly [id: string, secret: string] | undefined,
): JsonObject[] {
  if (credentials.kind === 'options') {
    const { secretName, options } = credentials
    return Object.entries(options).map(([option, key]) => encrypted(option, secretName, key))
  }
  if (credentials.kind !== 'keys' || pair === undefined) return []
  return [
    encrypted(pair[0], credentials.secretName, credentials.accessKeyId),
    encrypted(pair[1], credentials.secretName, credentials.secretAccessKey),
  ]
}
