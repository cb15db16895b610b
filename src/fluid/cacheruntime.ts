import { defined, type JsonObject } from '../values/object.ts'
import {
  type CacheSettings,
  type CacheTier,
  directory,
  nodeSelection,
  pathsOf,
  type Runtime,
  secretOptions,
  section,
  volumeTypeOf,
} from './runtime.ts'

/**
 * CacheRuntime, new after Fluid 1.0.8: any cache system that a CacheRuntimeClass describes, including the
 * resources of its pods. Only discovery shows whether a cluster has it. Source: fluid at a826600 (chart
 * 1.1.0), api/v1alpha1/cacheruntime_types.go.
 */
export const cacheRuntime: Runtime = {
  kind: 'CacheRuntime',
  plural: 'cacheruntimes',
  schemes: 'named',
  isLoadable: true,
  tiers: 'every',
  mutableFields: [],

  refuses({ credentials: { kind }, profile }) {
    if (profile === undefined) return "CacheRuntime needs the policy's sources[].profile"
    return kind === 'anonymous' || kind === 'options'
      ? undefined
      : 'CacheRuntime passes to its class only the keys that a policy names: set sources[].credentials.keys'
  },

  mount(source) {
    return {
      mountPoint: directory(source),
      options: source.options,
      encryptOptions: secretOptions(source, undefined),
    }
  },

  spec({ profile = '' }, settings) {
    const pods = { ...nodeSelection(settings), ...tolerations(settings) }
    const { cleanPolicy } = settings
    return {
      runtimeClassName: profile,
      ...section('master', pods),
      worker: {
        replicas: settings.replicas,
        ...pods,
        tieredStore: { levels: settings.tieredStore.map(level) },
      },
      ...section('client', cleanPolicy === 'OnRuntimeDeleted' ? {} : { cleanPolicy }),
    }
  },
}

function tolerations({ tolerations: list }: CacheSettings): JsonObject {
  return list.length === 0 ? {} : { tolerations: list.map((toleration) => ({ ...toleration })) }
}

/** One medium a level, and process memory in one level at most (pkg/ddc/cache/engine/transform_tiered_store.go). */
function level(tier: CacheTier): JsonObject {
  const { high, low } = tier
  return { ...medium(tier), ...defined({ high, low }) }
}

function medium(tier: CacheTier): JsonObject {
  const { quota } = tier
  const isMemory = tier.medium === 'MEM'
  if (volumeTypeOf(tier) === 'emptyDir')
    return { emptyDir: { quota, ...(isMemory ? { medium: 'Memory' } : {}) } }
  if (isMemory) return { processMemory: { quota } }
  const paths = pathsOf(tier)
  return { hostPath: { paths, quotas: paths.map(() => quota) } }
}
