import { firstTier, fuse, nodeSelection, type Runtime, secretOptions, section } from './runtime.ts'
import { partsOf } from './source.ts'

/**
 * JuiceFSRuntime, for file systems that JuiceFS made: it reads its own layout only, never a plain bucket.
 * Sources: fluid pkg/ddc/juicefs/transform.go and transform_fuse.go, docs/en/samples/juicefs_runtime.md.
 */
export const juicefs: Runtime = {
  kind: 'JuiceFSRuntime',
  plural: 'juicefsruntimes',
  schemes: ['juicefs'],
  isLoadable: true,
  // It would take up all the rest, too, and restart its workers for it: pkg/ddc/juicefs/sync_runtime.go.
  live: ['replicas', 'fuse.cleanPolicy'],
  // Fluid kills the warm-up of JuiceFS after half an hour unless it is told otherwise.
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

  spec(_, settings) {
    // JuiceFS knows one tier, and no water marks: Fluid would pass `low` as the share of the disk to keep free.
    const levels = firstTier(settings).map(({ medium, high: _high, low: _low, ...tier }) => ({
      mediumtype: medium,
      ...tier,
    }))
    return {
      replicas: settings.replicas,
      tieredstore: { levels },
      ...section('worker', nodeSelection(settings)),
      ...fuse(settings),
    }
  },
}
