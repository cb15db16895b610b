import type { JsonObject } from '../values/object.ts'
import { parseSizeBytes, quantityOf } from '../values/size.ts'
import {
  attributeTimeoutSeconds,
  type CacheTier,
  firstTier,
  fuse,
  nodeSelection,
  pathsOf,
  type Runtime,
  resources,
  secretOptions,
  section,
  volumeTypeOf,
} from './runtime.ts'
import { partsOf, type Source } from './source.ts'

/**
 * JuiceFSRuntime, for file systems that JuiceFS made: it reads its own layout only, never a plain bucket.
 * Sources: fluid v1.0.8 pkg/ddc/juicefs/transform*.go, docs/en/samples/juicefs_runtime.md.
 */
export const juicefs: Runtime = {
  kind: 'JuiceFSRuntime',
  plural: 'juicefsruntimes',
  schemes: ['juicefs'],
  isLoadable: true,
  // Workers of the Community Edition do not know of each other.
  tiers: 'none',
  // Fluid also applies other fields, but restarts the workers (pkg/ddc/juicefs/sync_runtime.go).
  mutableFields: ['replicas', 'fuse.cleanPolicy'],
  // Fluid's default kills the warm-up of JuiceFS after half an hour.
  loadOptions: { timeout: '24h' },

  refuses({ credentials }) {
    if (credentials.kind === 'options') return undefined
    return 'JuiceFSRuntime needs a Secret with metaurl (Community Edition) or token (Enterprise Edition)'
  },

  mount(source) {
    const { host, path } = partsOf(source)
    return {
      // Everything behind juicefs:// is the directory; the name of the volume is that of the mount.
      mountPoint: `juicefs:///${path}`,
      ...(host === '' ? {} : { name: host }),
      options: source.options,
      encryptOptions: secretOptions(source, undefined),
    }
  },

  spec(source, settings) {
    const tiers = firstTier(settings)
    return {
      replicas: settings.replicas,
      tieredstore: { levels: tiers.map(level) },
      ...section('worker', { ...nodeSelection(settings), ...resources(settings, 'worker', tiers) }),
      // Each FUSE client has its own cache of the same size.
      ...fuse(settings, { ...timeouts(source), ...resources(settings, 'fuse', tiers) }),
    }
  },
}

/** For the Community Edition only: Fluid would cache attributes for 2 h (genFuseMount). */
function timeouts({ credentials }: Source): JsonObject {
  if (credentials.kind !== 'options' || !Object.hasOwn(credentials.options, 'metaurl')) return {}
  const seconds = String(attributeTimeoutSeconds)
  return { options: { 'attr-cache': seconds, 'entry-cache': seconds, 'dir-entry-cache': seconds } }
}

/**
 * JuiceFS separates paths by colons, and has one quota for all of them (genMountOptions). It knows no water
 * marks: Fluid would pass `low` as the share of the disk to keep free.
 */
function level(tier: CacheTier): JsonObject {
  const paths = pathsOf(tier)
  return {
    mediumtype: tier.medium,
    volumeType: volumeTypeOf(tier),
    path: paths.join(':'),
    quota: paths.length === 1 ? tier.quota : quantityOf((parseSizeBytes(tier.quota) ?? 0) * paths.length),
  }
}
