import { trimEndSlashes } from '../values/text.ts'
import {
  attributeTimeoutSeconds,
  type CacheTier,
  directory,
  firstTier,
  fuse,
  imagePullPolicy,
  isAmazon,
  nodeSelection,
  type Runtime,
  resources,
  secretOptions,
  section,
  tierLevel,
  wholeGiOf,
} from './runtime.ts'

/** Schemes with keys and endpoint in Jindo's options `fs.<scheme>.…`. */
const stores = ['oss', 's3', 'cos', 'obs', 'dls']

/**
 * JindoRuntime (JindoCache). OSS needs its endpoint. Source: fluid v1.0.8 pkg/ddc/jindocache/transform.go.
 */
export const jindo: Runtime = {
  kind: 'JindoRuntime',
  plural: 'jindoruntimes',
  schemes: [...stores, 'hdfs'],
  isLoadable: true,
  tiers: 'first',
  // Fluid also applies resources of masters and workers, but restarts them (sync_runtime.go).
  mutableFields: ['replicas', 'fuse.cleanPolicy', 'fuse.resources'],

  refuses({ scheme, credentials, endpoint: { url, addressing } }) {
    if (credentials.kind === 'file') return `JindoRuntime reads no credentials file for ${scheme}://`
    if (addressing !== 'virtual' || url === undefined || isAmazon(url)) return undefined
    return 'JindoRuntime has no option for a store that has its buckets as host names'
  },

  mount(source) {
    const { scheme, endpoint } = source
    const options: { [key: string]: string } = {}
    if (endpoint.url !== undefined) options[`fs.${scheme}.endpoint`] = hostOf(endpoint.url)
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
    const tiers = firstTier(settings)
    return {
      replicas: settings.replicas,
      tieredstore: { levels: tiers.map((tier) => ({ ...tierLevel(tier, jindoGi), ...waterMarks(tier) })) },
      ...section('master', { ...nodes, ...resources(settings, 'master') }),
      ...section('worker', { ...nodes, ...resources(settings, 'worker', tiers) }),
      jindoVersion: { imagePullPolicy },
      ...fuse(settings, { args: fuseArguments, imagePullPolicy, ...resources(settings, 'fuse') }),
    }
  },
}

/**
 * Replaces Fluid's read-only arguments (transformFuseArg), which cache pages (`kernel_cache`) and attributes
 * for 2 h after a file has changed. Metrics port 0 means none, because two clients on a node would use the
 * same host port.
 */
const fuseArguments = [
  '-oro',
  '-oauto_cache',
  ...['attr', 'entry', 'negative'].map((kind) => `-o${kind}_timeout=${attributeTimeoutSeconds}`),
  '-ono_symlink',
  '-ometrics_port=0',
]

/**
 * Jindo needs a host without a scheme: fluid test/gha-e2e/jindo (dataset.yaml, and normalize_mount_endpoint
 * in test.sh, at a826600), KServe v0.20.0 docs/samples/fluid/jindo.yaml.
 */
function hostOf(url: string): string {
  return trimEndSlashes(url.replace(/^https?:\/\//, ''))
}

/**
 * Fluid converts `Gi` to Jindo's `g`, but writes whole `Ti` in a unit that Jindo does not know: use 1 Gi
 * less.
 */
function jindoGi(quota: string): number {
  const gibibytes = wholeGiOf(quota)
  return gibibytes % 1024 === 0 ? gibibytes - 1 : gibibytes
}

/** Sets both watermarks, low below high, because Fluid writes a missing one as an empty value. */
function waterMarks({ high, low }: CacheTier): { high: string; low: string } {
  if (high !== undefined && low !== undefined) return { high, low }
  if (high !== undefined) return { high, low: Number(high) > 0.7 ? '0.7' : share(Number(high) * 0.75) }
  const above = low ?? '0.7'
  return { high: Number(above) < 0.95 ? '0.95' : share((Number(above) + 1) / 2), low: above }
}

function share(value: number): string {
  return String(Number(value.toFixed(4)))
}
