import type { JsonObject } from '../values/object.ts'
import { parseSizeBytes, quantityOf } from '../values/size.ts'
import type { Source } from './source.ts'

/** How one Fluid runtime caches a source. */
export interface Runtime {
  kind: string
  /** Its resource's plural name in data.fluid.io. */
  plural: string
  /** URI schemes that it mounts; `named` means only if a policy names this runtime. */
  schemes: readonly string[] | 'named'
  /** The names of Secrets that it can mount; without it, every name. */
  mountableSecret?: RegExp
  /** Whether a DataLoad can fill it. A cache of one that cannot be filled is warm as soon as it is Bound. */
  isLoadable: boolean
  /** Options that its DataLoads need. */
  loadOptions?: { [key: string]: string }
  /** Which tiers its workers share a model in; none where each worker, or its image alone, decides what it keeps. */
  tiers: 'first' | 'every' | 'none'
  /** Spec fields that Fluid applies to a running cache without a restart of its workers. */
  mutableFields: readonly string[]
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

/** One medium of a worker's cache: an emptyDir, or with paths these directories of the node. */
export interface CacheTier {
  medium: string
  /** The same as `paths` with one element. */
  path?: string
  paths?: string[]
  /** A quantity of bytes that each worker may keep on each path. */
  quota: string
  /** Shares of the quota as text, e.g. `0.95`: eviction starts at `high` and stops at `low`. */
  high?: string
  low?: string
  volumeType?: string
}

/** What one container may use: Kubernetes quantities, as a policy writes them. */
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

/** The part of a policy that shapes a cache, and never its name. */
export interface CacheSettings {
  replicas: number
  /** The maximum of workers if a model is too large for `replicas`; if unset, `replicas`. */
  growTo?: number
  tieredStore: CacheTier[]
  /** Nodes for masters and workers; never for FUSE, which must follow the pods. */
  nodeSelector: { [label: string]: string }
  tolerations: Toleration[]
  /** When Fluid takes the FUSE pod off a node. */
  cleanPolicy: 'OnRuntimeDeleted' | 'OnDemand'
  /** Of the pods of a Runtime; Fluid's own defaults where it is left out. */
  resources?: { [component in Component]?: ComponentResources }
  /** Merged into the Runtime's spec. */
  template: JsonObject
  warmup: {
    enabled: boolean
    /** Of the loading Job's pod. */
    resources?: ComponentResources
    /** How many copies of each file; as many as fit where it is left out. */
    replicas?: number
    retries: number
    /** What happens if a warm cache loses much of its model; `Report` if unset. */
    onEviction?: 'Report' | 'Rewarm'
    /** A cron by which it is warmed again; none where it is empty or left out. */
    schedule?: string
  }
}

/** Where each worker keeps a tier. */
export function pathsOf({ medium, path, paths = path === undefined ? [] : [path] }: CacheTier): string[] {
  if (paths.length > 0) return paths
  return [medium === 'MEM' ? '/dev/shm' : '/mnt/ssd0/cache']
}

/**
 * An emptyDir where no path is named: Fluid creates a hostPath that does not exist on the node's root disk, and
 * only an emptyDir is bounded there (its `sizeLimit` is the quota).
 */
export function volumeTypeOf({ volumeType, path, paths }: CacheTier): string {
  return volumeType ?? (path === undefined && paths === undefined ? 'emptyDir' : 'hostPath')
}

/**
 * A tier as a level of a `tieredstore`, without its water marks. Quotas are whole Gi, at least one: Jindo, Alluxio
 * and EFC read Fluid's text of a quantity in units of their own. Several paths need a `quotaList`: Fluid divides a
 * `quota` among them, and its Jindo engine panics at the second path. Sources: fluid v1.0.8
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
 * The resources of a component's pods; none where a policy names none. Fluid requires that a worker's memory holds
 * the tiers in memory, and rewrites or refuses the Runtime otherwise: their size comes on top. A request never
 * exceeds its limit. Source: fluid v1.0.8 pkg/ddc/{alluxio,jindocache,juicefs}/transform*.go.
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

/** Requests and limits with `extraBytes` more memory. */
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
  if (request === undefined || limit === undefined) return false
  return amount(request) > amount(limit)
}

/** Bytes, or CPUs. */
function amount(quantity: string | number): number {
  const text = String(quantity)
  if (/^[0-9.]+$/.test(text)) return Number(text)
  return text.endsWith('m') ? Number(text.slice(0, -1)) / 1000 : (parseSizeBytes(text) ?? 0)
}

function withMemory({ cpu, memory }: ResourceAmounts, extraBytes: number): JsonObject {
  return {
    ...(cpu === undefined ? {} : { cpu: String(cpu) }),
    ...(memory === undefined
      ? {}
      : { memory: extraBytes === 0 ? memory : quantityOf(amount(memory) + extraBytes) }),
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

/** Fluid's default is not written. */
export function fuse({ cleanPolicy }: CacheSettings, more: JsonObject = {}): JsonObject {
  return section('fuse', cleanPolicy === 'OnRuntimeDeleted' ? more : { ...more, cleanPolicy })
}

/**
 * How long a FUSE client may cache the attributes of a file, in seconds. Fluid's default is 2 h. It is short, so
 * that a pod that starts after a refresh does not see old sizes of some files and new ones of others.
 */
export const attributeTimeoutSeconds = 10
/** Fluid's own default for most images; for those of Jindo it is `Always`, which asks a registry at each start. */
export const imagePullPolicy = 'IfNotPresent'

/** The URI with a trailing slash, because Jindo reads a mount point without it as an object. */
export function directory({ uri }: Source): string {
  return `${uri}/`
}

/** Amazon's endpoints have a host name for each bucket. */
export function isAmazon(url: string): boolean {
  return /\.amazonaws\.com(:[0-9]+)?\/?$/.test(url)
}

/** An option that a runtime reads from a Secret. */
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
