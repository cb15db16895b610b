import { quoted } from '../values/text.ts'
import {
  firstTier,
  fuse,
  nodeSelection,
  pathsOf,
  type Runtime,
  resources,
  section,
  tierLevel,
  volumeTypeOf,
} from './runtime.ts'
import { partsOf } from './source.ts'

const server = /^[a-z0-9-]+\.[a-z0-9-]+\.(nas|cpfs)\.aliyuncs\.com$/

/** EFCRuntime, for Alibaba Cloud's NAS and CPFS. Source: fluid v1.0.8 pkg/ddc/efc/{utils,transform*}.go. */
export const efc: Runtime = {
  kind: 'EFCRuntime',
  plural: 'efcruntimes',
  schemes: ['nfs', 'cpfs'],
  isLoadable: false,
  tiers: 'none',
  mutableFields: ['replicas', 'fuse.cleanPolicy'],

  refuses(source) {
    const { host, path } = partsOf(source)
    if (!server.test(host))
      return `EFCRuntime mounts Alibaba Cloud NAS and CPFS only, and ${quoted(host)} is neither`
    if (source.scheme === 'cpfs' && !/^share(\/|$)/.test(path))
      return 'EFCRuntime mounts CPFS below /share only'
    return undefined
  },

  mount(source) {
    const { host, path } = partsOf(source)
    return {
      mountPoint: `${source.scheme}://${host}:/${path}${path === '' ? '' : '/'}`,
      options: source.options,
      encryptOptions: [],
    }
  },

  spec(_, settings) {
    const nodes = nodeSelection(settings)
    // EFC caches only on the first path, and has no water marks (transform_{tieredstore,option}.go).
    const tiers = firstTier(settings).map((tier) => ({
      ...tier,
      volumeType: volumeTypeOf(tier),
      paths: pathsOf(tier).slice(0, 1),
    }))
    return {
      replicas: settings.replicas,
      tieredstore: { levels: tiers.map((tier) => tierLevel(tier)) },
      ...section('master', { ...nodes, ...resources(settings, 'master') }),
      ...section('worker', { ...nodes, ...resources(settings, 'worker', tiers) }),
      ...fuse(settings, resources(settings, 'fuse')),
    }
  },
}
