import type { JsonObject } from '../values/object.ts'
import { encrypted, isAmazon, type Runtime, tieredStore } from './runtime.ts'
import type { Source } from './source.ts'

const gcsVolume = 'gcs-credentials'
const gcsDirectory = '/var/secrets/gcs'

/** AlluxioRuntime. Sources: fluid docs/en/samples/{s3,gcs}_configuration.md, pkg/ddc/alluxio/transform_volumes.go. */
export const alluxio: Runtime = {
  kind: 'AlluxioRuntime',
  plural: 'alluxioruntimes',
  schemes: ['gs', 's3', 'oss'],

  // Fluid mounts it as the volume alluxio-mount-secret-<name>, and a volume's name has 63 characters and no dot.
  mountableSecret: /^[^.]{1,42}$/,

  refuses() {
    return undefined
  },

  mount(source) {
    return { options: { ...options(source), ...source.options }, encryptOptions: keys(source) }
  },

  spec(source, settings) {
    return { replicas: settings.replicas, tieredstore: tieredStore(settings), ...gcsFile(source) }
  },
}

function options({ scheme, credentials, endpoint }: Source): { [key: string]: string } {
  switch (scheme) {
    case 'gs':
      return credentials.kind === 'file'
        ? { 'fs.gcs.credential.path': `${gcsDirectory}/${credentials.file}` }
        : {}
    case 'oss':
      return endpoint.url === undefined ? {} : { 'fs.oss.endpoint': endpoint.url }
    case 's3':
      return s3Options(endpoint)
  }
}

function s3Options({ url, region, addressing }: Source['endpoint']): { [key: string]: string } {
  const options: { [key: string]: string } = {}
  if (url !== undefined) {
    options['alluxio.underfs.s3.endpoint'] = url
    // An endpoint of one's own (MinIO, Ceph) has no DNS name for each bucket, unless it says so; Amazon's do.
    if (addressing !== 'virtual' && !isAmazon(url)) options['alluxio.underfs.s3.disable.dns.buckets'] = 'true'
  }
  if (region !== undefined) options['alluxio.underfs.s3.region'] = region
  return options
}

function keys({ scheme, credentials }: Source): JsonObject[] {
  if (credentials.kind !== 'keys') return []
  const [id, secret] =
    scheme === 'oss' ? ['fs.oss.accessKeyId', 'fs.oss.accessKeySecret'] : ['aws.accessKeyId', 'aws.secretKey']
  return [
    encrypted(id, credentials.secretName, credentials.accessKeyId),
    encrypted(secret, credentials.secretName, credentials.secretAccessKey),
  ]
}

/** Google's credentials are a file: master and worker mount the Secret itself. */
function gcsFile({ credentials }: Source): JsonObject {
  if (credentials.kind !== 'file') return {}
  const volumeMounts = [{ name: gcsVolume, mountPath: gcsDirectory, readOnly: true }]
  return {
    volumes: [{ name: gcsVolume, secret: { secretName: credentials.secretName } }],
    master: { volumeMounts },
    worker: { volumeMounts },
  }
}
