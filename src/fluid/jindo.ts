import {
  directory,
  firstTier,
  fuse,
  isAmazon,
  nodeSelection,
  type Runtime,
  secretOptions,
  section,
} from './runtime.ts'

/** Schemes whose keys and endpoint Jindo knows by `fs.<scheme>.…`. */
const stores = ['oss', 's3', 'cos', 'obs', 'dls']

/** JindoRuntime (JindoCache). OSS needs its endpoint. Source: fluid pkg/ddc/jindocache/transform.go. */
export const jindo: Runtime = {
  kind: 'JindoRuntime',
  plural: 'jindoruntimes',
  schemes: [...stores, 'hdfs'],
  isLoadable: true,
  // pkg/ddc/jindocache/sync_runtime.go.
  live: ['replicas', 'fuse.cleanPolicy', 'master.resources', 'worker.resources', 'fuse.resources'],

  refuses({ scheme, credentials, endpoint: { url, addressing } }) {
    if (credentials.kind === 'file') return `JindoRuntime reads no credentials file for ${scheme}://`
    if (addressing !== 'virtual' || url === undefined || isAmazon(url)) return undefined
    return 'JindoRuntime has no option for a store that has its buckets as host names'
  },

  mount(source) {
    const { scheme, endpoint } = source
    const options: { [key: string]: string } = {}
    if (endpoint.url !== undefined) options[`fs.${scheme}.endpoint`] = endpoint.url
    if (endpoint.region !== undefined) options[`fs.${scheme}.region`] = endpoint.region
    const pair = [`fs.${scheme}.accessKeyId`, `fs.${scheme}.accessKeySecret`] as const
    return {
      mountPoint: directory(source),
      options: { ...options, ...source.options },
      encryptOptions: secretOptions(source, stores.includes(scheme) ? pair : undefined),
    }
  },

  spec(_, settings) {
    const nodes = nodeSelection(settings)
    // Jindo knows one tier, and writes an absent water mark into its configuration as an empty one.
    const levels = firstTier(settings).map(({ medium, ...tier }) => ({
      mediumtype: medium,
      high: '0.95',
      low: '0.7',
      ...tier,
    }))
    return {
      replicas: settings.replicas,
      tieredstore: { levels },
      ...section('master', nodes),
      ...section('worker', nodes),
      // Jindo's FUSE opens a metrics port on the host: two caches on a node would fight for it.
      ...fuse(settings, { args: ['-ometrics_port=-1'] }),
    }
  },
}
