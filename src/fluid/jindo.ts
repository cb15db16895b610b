import { encrypted, isAmazon, type Runtime, tieredStore } from './runtime.ts'
import type { Source } from './source.ts'

/** JindoRuntime: `fs.<scheme>.…` options; OSS needs its endpoint. Source: fluid pkg/ddc/jindocache/transform.go. */
export const jindo: Runtime = {
  kind: 'JindoRuntime',
  plural: 'jindoruntimes',
  schemes: ['oss', 's3'],

  refuses({ endpoint: { url, addressing } }) {
    if (addressing !== 'virtual' || url === undefined || isAmazon(url)) return undefined
    return `JindoRuntime has no option for a store that has its buckets as host names`
  },

  mount(source) {
    const { scheme, credentials, endpoint } = source
    const options: { [key: string]: string } = {}
    if (endpoint.url !== undefined) options[`fs.${scheme}.endpoint`] = endpoint.url
    if (endpoint.region !== undefined) options[`fs.${scheme}.region`] = endpoint.region
    return { options: { ...options, ...source.options }, encryptOptions: keys(scheme, credentials) }
  },

  spec(_, settings) {
    return {
      replicas: settings.replicas,
      tieredstore: tieredStore(settings),
      // Jindo's FUSE opens a metrics port on the host: two caches on a node would fight for it.
      fuse: { args: ['-ometrics_port=-1'] },
    }
  },
}

function keys(scheme: Source['scheme'], credentials: Source['credentials']) {
  if (credentials.kind !== 'keys') return []
  return [
    encrypted(`fs.${scheme}.accessKeyId`, credentials.secretName, credentials.accessKeyId),
    encrypted(`fs.${scheme}.accessKeySecret`, credentials.secretName, credentials.secretAccessKey),
  ]
}
