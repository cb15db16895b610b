import type { JsonObject } from '../values/object.ts'
import { parseQuantity } from '../values/quantity.ts'
import { parseSizeBytes, quantityOf } from '../values/size.ts'
import type { Source } from './source.ts'

export interface Runtime {
  kind: string
  /** Its resource's plural name in data.fluid.io. */
  plural: string
  /** URI schemes that it mounts; `named` means only if a policy names this runtime. */
  schemes: readonly string[] | 'named'
  /** A pattern for the names of Secrets that it can mount; if unset, it can mount all. */
  mountableSecret?: RegExp
  /** Whether a DataLoad can fill it. If not, its caches are warm as soon as they are Bound. */
  isLoadable: boolean
  loadOptions?: { [key: string]: string }
  /** The tiers in which its workers share a model; none if workers share no model or the image decides. */
  tiers: 'first' | 'every' | 'none'
  /** Spec fields that Fluid applies to a running cache without a restart of its workers. */
  mutableFields: readonly string[]
  /** Why this runtime cannot read the source although it serves its scheme. */
  refuses(source: Source): string | undefined
  mount(source: Source): DatasetMount
  spec(source: Source, settings: CacheSettings): JsonObject
}

export interface DatasetMount {
  mountPoint: string
  /** Only for runtimes that need a specific name; otherwise the name of the cache. */
  name?: string
  options: { [key: string]: string }
  encryptOptions: JsonObject[]
}

/** One tier of a worker's cache: directories of the node, or an emptyDir if there are no paths. */
export interface CacheTier {
  medium: string
  /** The same as `paths` with one element. */
  path?: string
  paths?: string[]
  /** A quantity of bytes that each worker may keep on each path. */
  quota: string
  /** Fractions of the quota as strings, e.g. `0.95`: eviction starts at `high` and stops at `low`. */
  high?: string
  low?: string
  volumeType?: string
}

/** Requests and limits of one container: Kubernetes quantities, as in the policy. */
export interface ComponentResources {
  requests?: ResourceAmounts
  limits?: ResourceAmounts
}
type ResourceAmounts = { cpu?: string | number; memory?: string }
export type Component = 'master' | 'worker' | 'fuse'

export interface Toleration {
  key?: string
  operator?: string
  value?: string
  effect?: string
  tolerationSeconds?: number
}

/** The settings of a policy for a cache. They never change the cache's name. */
export interface CacheSettings {
  replicas: number
  /** The maximum of workers if a model is too large for `replicas`; if unset, `replicas`. */
  growTo?: number
  /** Workers follow the pods that read: one for so many pods, at most so many workers. */
  follow?: { podsPerWorker: number; most: number }
  /** How many workers the pods that read now need; the number of copies does not depend on it. */
  readers?: number
  tieredStore: CacheTier[]
  /** Nodes for masters and workers; never for FUSE, which must follow the pods. */
  nodeSelector: { [label: string]: string }
  tolerations: Toleration[]
  /** When Fluid deletes the FUSE pod of a node. */
  cleanPolicy: 'OnRuntimeDeleted' | 'OnDemand'
  /** Resources of the Runtime's pods; if unset, Fluid's defaults. */
  resources?: { [component in Component]?: ComponentResources }
  /** Merged into the Runtime's spec. */
  template: JsonObject
  warmup: {
    enabled: boolean
    resources?: ComponentResources
    /** Copies of each file; if unset, as many as fit. */
    replicas?: number
    retries: number
    /** What happens if a warm cache loses much of its model; `Report` if unset. */
    onEviction?: 'Report' | 'Rewarm'
    /** The cron schedule of later loads; empty or unset for none. */
    schedule?: string
  }
}

export function pathsOf({ medium, path, paths = path === undefined ? [] : [path] }: CacheTier): string[] {
  if (paths.length > 0) return paths
  return [medium === 'MEM' ? '/dev/shm' : '/mnt/ssd0/cache']
}

/**
 * An emptyDir if no path is set: Fluid would create a missing hostPath on the node's root disk, where only an
 * emptyDir is bounded (its `sizeLimit` is the quota).
 */
export function volumeTypeOf({ volumeType, path, paths }: CacheTier): string {
  return volumeType ?? (path === undefined && paths === undefined ? 'emptyDir' : 'hostPath')
}

/**
 * A tier as a level of a `tieredstore`, without its watermarks. Quotas are whole Gi, at least one: Jindo,
 * Alluxio and EFC parse Fluid's formatted quantity with their own units. Several paths need a `quotaList`:
 * Fluid divides a `quota` among them, and its Jindo engine panics at the second path. Sources: fluid v1.0.8
 * api/v1alpha1/common.go (Level), pkg/ddc/base/runtime.go (convertToTieredstoreInfo),
 * pkg/ddc/jindocache/transform.go, pkg/utils/quantity.go.
 */
export function tierLevel(tier: CacheTier, wholeGi: (quota: string) => number = wholeGiOf): JsonObject {
  const paths = pathsOf(tier)
  const quota = `${wholeGi(tier.quota)}Gi`
  return {
    mediumtype: tier.medium,
    volumeType: volumeTypeOf(tier),
    path: paths.join(','),
    ...(paths.length > 1 ? { quotaList: paths.map(() => quota).join(',') } : { quota }),
  }
}

/** A quantity of bytes in Gi, rounded down, at least 1. */
export function wholeGiOf(quota: string): number {
  return Math.max(1, Math.floor((parseSizeBytes(quota) ?? 0) / 2 ** 30))
}

/** The first tier, for runtimes that support only one. */
export function firstTier({ tieredStore: tiers }: CacheSettings): CacheTier[] {
  return tiers.slice(0, 1)
}

/**
 * The resources of a component's pods; empty if the policy has none. A worker's memory must include its tiers
 * in memory, or Fluid rewrites or refuses the Runtime: add their size. A request never exceeds its limit.
 * Source: fluid v1.0.8 pkg/ddc/{alluxio,jindocache,juicefs}/transform*.go.
 */
export function resources(
  { resources: all }: CacheSettings,
  component: Component,
  tiers: CacheTier[] = [],
): JsonObject {
  const inMemory = tiers
    .filter(({ medium }) => medium === 'MEM')
    .map(({ quota }) => Math.max(2 ** 30, parseSizeBytes(quota) ?? 0))
  const extraBytes = inMemory.reduce((sum, bytes) => sum + bytes, 0)
  return section('resources', componentResources(all?.[component], extraBytes))
}

/** Requests and limits, with `extraBytes` added to the memory. */
export function componentResources(
  { requests = {}, limits = {} }: ComponentResources = {},
  extraBytes = 0,
): JsonObject {
  const least = {
    ...requests,
    ...(exceeds(requests.cpu, limits.cpu) && { cpu: limits.cpu }),
    ...(exceeds(requests.memory, limits.memory) && { memory: limits.memory }),
  }
  return {
    ...section('requests', withMemory(least, extraBytes)),
    ...section('limits', withMemory(limits, extraBytes)),
  }
}

function exceeds(request: string | number | undefined, limit: string | number | undefined): boolean {
  const [least = 0, most = Number.POSITIVE_INFINITY] = [parseQuantity(request), parseQuantity(limit)]
  return least > most
}

function withMemory({ cpu, memory }: ResourceAmounts, extraBytes: number): JsonObject {
  return {
    ...(cpu === undefined ? {} : { cpu: String(cpu) }),
    ...(memory === undefined
      ? {}
      : { memory: extraBytes === 0 ? memory : quantityOf((parseQuantity(memory) ?? 0) + extraBytes) }),
  }
}

/** The node selector of masters and workers; empty if they may run anywhere. */
export function nodeSelection({ nodeSelector }: CacheSettings): JsonObject {
  return Object.keys(nodeSelector).length === 0 ? {} : { nodeSelector }
}

/** `fields` under `name`; empty if there are no fields. */
export function section(name: string, fields: JsonObject): JsonObject {
  return Object.keys(fields).length === 0 ? {} : { [name]: fields }
}

/** The FUSE section of a Runtime. Omits cleanPolicy if it is Fluid's default. */
export function fuse({ cleanPolicy }: CacheSettings, more: JsonObject = {}): JsonObject {
  return section('fuse', cleanPolicy === 'OnRuntimeDeleted' ? more : { ...more, cleanPolicy })
}

/**
 * How long a FUSE client may cache file attributes, in seconds. Shorter than Fluid's default of 2 h, so that
 * a pod that starts after a refresh does not see old sizes of some files.
 */
export const attributeTimeoutSeconds = 10
/**
 * Fluid's default for most images. For Jindo's images the default is `Always`, which contacts a registry at
 * each start.
 */
export const imagePullPolicy = 'IfNotPresent'

/** The URI with a trailing slash, because Jindo reads a mount point without it as an object. */
export function directory({ uri }: Source): string {
  return `${uri}/`
}

/** Whether an endpoint is Amazon's, which has one host name for each bucket. */
export function isAmazon(url: string): boolean {
  return /\.amazonaws\.com(:[0-9]+)?\/?$/.test(url)
}

/** An option that a runtime reads from a Secret. */
export function encrypted(name: string, secretName: string, key: string): JsonObject {
  return { name, valueFrom: { secretKeyRef: { name: secretName, key } } }
}

/**
 * The options with values from a Secret: the options that the policy lists, or else the key pair, under the
 * runtime's option names.
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
