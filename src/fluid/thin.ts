import { directory, fuse, type Runtime, secretOptions } from './runtime.ts'
import { partsOf, type Source } from './source.ts'

/**
 * ThinRuntime: a FUSE client that the platform team describes in a ThinRuntimeProfile. It mounts what its image
 * understands, caches what that image caches, and has no DataLoad. Source: fluid pkg/ddc/thin.
 */
export const thin: Runtime = {
  kind: 'ThinRuntime',
  plural: 'thinruntimes',
  schemes: 'named',
  isLoadable: false,
  tiers: 'none',
  mutableFields: ['fuse.cleanPolicy'],
  // Fluid mounts it as the volume thin-fuseconfig-<name>.
  mountableSecret: /^[^.]{1,47}$/,

  refuses({ credentials: { kind }, profile }) {
    if (profile === undefined) return "ThinRuntime needs the policy's sources[].profile"
    return kind === 'anonymous' || kind === 'options'
      ? undefined
      : 'ThinRuntime passes to its image only the keys that a policy names: set sources[].credentials.keys'
  },

  mount(source) {
    return {
      mountPoint: source.scheme === 'nfs' ? nfsExport(source) : directory(source),
      options: source.options,
      encryptOptions: secretOptions(source, undefined),
    }
  },

  spec({ profile = '' }, settings) {
    // An empty profileName would make it a reference to another Dataset.
    return { profileName: profile, ...fuse(settings) }
  },
}

/** The form that mount(8) and Fluid's addon use: `server:/path`. */
function nfsExport(source: Source): string {
  const { host, path } = partsOf(source)
  return `${host}:/${path}`
}
