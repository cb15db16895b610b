import type { JsonObject } from '../values/object.ts'
import {
  type CacheSettings,
  type CacheTier,
  directory,
  nodeSelection,
  type Runtime,
  secretOptions,
  section,
} from './runtime.ts'

/**
 * CacheRuntime, of Fluid after 1.0: any cache system that a CacheRuntimeClass describes. Source: fluid
 * api/v1alpha1/cacheruntime_types.go (not in 1.0.8, so that discovery alone says whether it is there).
 */
export const cacheRuntime: Runtime = {
  kind: 'CacheRuntime',
  plural: 'cacheruntimes',
  schemes: 'named',
  isLoadable: true,
  live: [],

  refuses({ credentials: { kind }, profile }) {
    if (profile === undefined) return "CacheRuntime needs the policy's sources[].profile"
    return kind === 'anonymous' || kind === 'options'
      ? undefined
      : 'CacheRuntime hands its class what a policy names: set sources[].credentials.keys'
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

function level({ medium, path, quota, volumeType = 'hostPath', ...waterMarks }: CacheTier): JsonObject {
  const volume =
    volumeType === 'emptyDir'
      ? { emptyDir: medium === 'MEM' ? { medium: 'Memory' } : {} }
      : { hostPath: { path } }
  return { medium: { volume }, path: [path], quota: [quota], ...waterMarks }
}
