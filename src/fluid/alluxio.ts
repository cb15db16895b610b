import type { JsonObject } from '../values/object.ts'
import {
  directory,
  fuse,
  isAmazon,
  nodeSelection,
  type Runtime,
  secretOptions,
  section,
  tieredStore,
} from './runtime.ts'
import type { Source } from './source.ts'

const gcsVolume = 'gcs-credentials'
const gcsDirectory = '/var/secrets/gcs'
/**
 * A mount at `/` is Alluxio's root, whose options Fluid makes properties of every component. A Secret's value
 * is put into the master's alone: the workers would read with the path of its file for a key. Under this
 * prefix it is the mount's own, which the workers ask the master for.
 */
export const rootOption = 'alluxio.master.mount.table.root.option.'

/**
 * AlluxioRuntime. Sources: fluid docs/en/samples/{s3,gcs}_configuration.md, pkg/ddc/alluxio/transform.go and
 * transform_volumes.go, charts/alluxio/templates/config.
 */
export const alluxio: Runtime = {
  kind: 'AlluxioRuntime',
  plural: 'alluxioruntimes',
  schemes: ['gs', 's3', 'oss', 'hdfs', 'http', 'https'],
  isLoadable: true,
  // Its SyncRuntime does nothing.
  live: ['replicas', 'fuse.cleanPolicy'],

  // Fluid mounts it as the volume alluxio-mount-secret-<name>, and a volume's name has 63 characters and no dot.
  mountableSecret: /^[^.]{1,42}$/,

  refuses() {
    return undefined
  },

  mount(source) {
    return {
      mountPoint: directory(source),
      options: { ...options(source), ...source.options },
      encryptOptions: secretOptions(source, keyNames[source.scheme]).map((option) => ({
        ...option,
        name: `${rootOption}${option.name}`,
      })),
    }
  },

  spec(source, settings) {
    const nodes = nodeSelection(settings)
    const mounts = gcsMounts(source)
    return {
      replicas: settings.replicas,
      tieredstore: tieredStore(settings),
      ...gcsVolumes(source),
      ...section('master', { ...nodes, ...mounts }),
      ...section('worker', { ...nodes, ...mounts }),
      ...fuse(settings),
    }
  },
}

const keyNames: { [scheme: string]: readonly [string, string] } = {
  s3: ['aws.accessKeyId', 'aws.secretKey'],
  oss: ['fs.oss.accessKeyId', 'fs.oss.accessKeySecret'],
}

function options({ scheme, credentials, endpoint }: Source): { [key: string]: string } {
  if (scheme === 's3') return s3Options(endpoint)
  if (scheme === 'oss' && endpoint.url !== undefined) return { 'fs.oss.endpoint': endpoint.url }
  if (credentials.kind === 'file') return { 'fs.gcs.credential.path': `${gcsDirectory}/${credentials.file}` }
  return {}
}

function s3Options({ url, region, addressing }: Source['endpoint']): { [key: string]: string } {
  const options: { [key: string]: string } = {}
  if (url !== undefined) {
    options['alluxio.underfs.s3.endpoint'] = url
    // An endpoint of one's own (MinIO, Ceph) has no DNS name for each bucket, unless it says so; Amazon's do.
    if (addressing !== 'virtual' && !isAmazon(url)) options['alluxio.underfs.s3.disable.dns.buckets'] = 'true'
    if (!isAmazon(url)) options['alluxio.underfs.s3.inherit.acl'] = 'false'
  }
  if (region !== undefined) {
    options['alluxio.underfs.s3.region'] = region
    // Beside an endpoint this is the one that Alluxio 2.9 signs with.
    if (url !== undefined) options['alluxio.underfs.s3.endpoint.region'] = region
  }
  return options
}

/** Google's credentials are a file: master and worker mount the Secret itself. */
function gcsVolumes({ credentials }: Source): JsonObject {
  if (credentials.kind !== 'file') return {}
  return { volumes: [{ name: gcsVolume, secret: { secretName: credentials.secretName } }] }
}

function gcsMounts({ credentials }: Source): JsonObject {
  if (credentials.kind !== 'file') return {}
  return { volumeMounts: [{ name: gcsVolume, mountPath: gcsDirectory, readOnly: true }] }
}
