import { quoted } from '../values/text.ts'
import { firstTier, fuse, nodeSelection, type Runtime, section } from './runtime.ts'
import { partsOf } from './source.ts'

const server = /^[a-z0-9-]+\.[a-z0-9-]+\.(nas|cpfs)\.aliyuncs\.com$/

/** EFCRuntime, for Alibaba Cloud's NAS and CPFS. Source: fluid pkg/ddc/efc/utils.go. */
export const efc: Runtime = {
  kind: 'EFCRuntime',
  plural: 'efcruntimes',
  schemes: ['nfs', 'cpfs'],
  isLoadable: false,
  live: ['replicas', 'fuse.cleanPolicy'],

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
    const levels = firstTier(settings).map(({ medium, ...tier }) => ({ mediumtype: medium, ...tier }))
    return {
      replicas: settings.replicas,
      tieredstore: { levels },
      ...section('master', nodes),
      ...section('worker', nodes),
      ...fuse(settings),
    }
  },
}
