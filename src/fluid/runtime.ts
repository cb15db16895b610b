import type { JsonObject } from '../values/object.ts'
import type { Source } from './source.ts'

/** How one Fluid runtime caches a source. */
export interface Runtime {
  kind: string
  /** Its resource's plural name in data.fluid.io. */
  plural: string
  schemes: readonly Source['scheme'][]
  /** The names of Secrets that it can mount; without it, every name. */
  mountableSecret?: RegExp
  /** Why this runtime cannot read the source although it serves its scheme. */
  refuses(source: Source): string | undefined
  mount(source: Source): MountOptions
  spec(source: Source, settings: CacheSettings): JsonObject
}

export interface MountOptions {
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

/** The part of a policy that shapes a cache, and never its name. */
export interface CacheSettings {
  replicas: number
  tieredStore: CacheTier[]
  /** Merged into the Runtime's spec. */
  template: JsonObject
  warmup: { enabled: boolean; replicas: number; retries: number }
}

/** Tiers as both Alluxio and Jindo write them; the water marks are strings to Fluid. */
export function tieredStore({ tieredStore: tiers }: CacheSettings): JsonObject {
  return { levels: tiers.map(({ medium, ...rest }) => ({ mediumtype: medium, ...rest })) }
}

/** Amazon's endpoints have a host name for each bucket. */
export function isAmazon(url: string): boolean {
  return /\.amazonaws\.com(:[0-9]+)?\/?$/.test(url)
}

/** An option whose value a runtime reads from a Secret by itself. */
export function encrypted(name: string, secretName: string, key: string): JsonObject {
  return { name, valueFrom: { secretKeyRef: { name: secretName, key } } }
}
