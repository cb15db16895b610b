import { isAmazon } from '../fluid/runtime.ts'
import type { JsonObject } from '../values/object.ts'
import type { Store } from './fill.ts'

/** How a container of rclone reaches a mirror. */
export interface Remote {
  /** The mirror's own directory, as rclone names it, without a trailing slash. */
  root: string
  env: JsonObject[]
  mounts: JsonObject[]
  volumes: JsonObject[]
}

const claimPath = '/mirror'
const keyPath = '/mirror-credentials'

/** The S3 dialects of rclone, by scheme. */
const providers: { [scheme: string]: string } = { oss: 'Alibaba', cos: 'TencentCOS', obs: 'HuaweiOBS' }

/** The schemes of mirrors in buckets that rclone can write. */
export const bucketSchemes = ['s3', 'gs', ...Object.keys(providers)]

/** The mirror as a remote of rclone, configured by variables alone. Credentials are references to a Secret. */
export function remoteOf(store: Store): Remote {
  const below = (root: string, prefix: string) => (prefix === '' ? root : `${root}/${prefix}`)
  if (store.kind === 'Claim')
    return {
      root: below(claimPath, store.prefix),
      env: [],
      mounts: [{ name: 'mirror', mountPath: claimPath }],
      volumes: [{ name: 'mirror', persistentVolumeClaim: { claimName: store.claim } }],
    }
  const { credentials, bucket, prefix } = store
  const file = credentials.kind === 'file' ? credentials : undefined
  const name = 'mirror-credentials'
  return {
    root: below(`mirror:${bucket}`, prefix),
    env: store.scheme === 'gs' ? googleEnv(store) : s3Env(store),
    mounts: file === undefined ? [] : [{ name, mountPath: keyPath, readOnly: true }],
    volumes: file === undefined ? [] : [{ name, secret: { secretName: file.secretName } }],
  }
}

type Bucket = Extract<Store, { kind: 'Bucket' }>

function googleEnv({ credentials }: Bucket): JsonObject[] {
  return variables({
    TYPE: 'google cloud storage',
    BUCKET_POLICY_ONLY: 'true',
    ...(credentials.kind === 'file'
      ? { SERVICE_ACCOUNT_FILE: `${keyPath}/${credentials.file}` }
      : { ENV_AUTH: 'true' }),
  })
}

function s3Env({ scheme, credentials, endpoint }: Bucket): JsonObject[] {
  const { url, region, addressing } = endpoint
  const provider = providers[scheme] ?? (url === undefined || isAmazon(url) ? 'AWS' : 'Other')
  const isVirtual = addressing === 'virtual' || scheme !== 's3'
  const env = variables({
    TYPE: 's3',
    PROVIDER: provider,
    NO_CHECK_BUCKET: 'true',
    ...(url === undefined ? {} : { ENDPOINT: url, FORCE_PATH_STYLE: String(!isVirtual) }),
    ...(region === undefined ? {} : { REGION: region }),
    // Without keys, the identity of the pod's account writes.
    ...(credentials.kind === 'keys' ? {} : { ENV_AUTH: 'true' }),
  })
  if (credentials.kind !== 'keys') return env
  const { secretName: name, accessKeyId, secretAccessKey } = credentials
  const reference = (variable: string, key: string) => ({
    name: `RCLONE_CONFIG_MIRROR_${variable}`,
    valueFrom: { secretKeyRef: { name, key } },
  })
  return [...env, reference('ACCESS_KEY_ID', accessKeyId), reference('SECRET_ACCESS_KEY', secretAccessKey)]
}

function variables(values: { [name: string]: string }): JsonObject[] {
  return Object.entries(values).map(([name, value]) => ({ name: `RCLONE_CONFIG_MIRROR_${name}`, value }))
}
