import type { JsonObject } from '../values/object.ts'
import { parseSizeBytes } from '../values/size.ts'
import {
  attributeTimeoutSeconds,
  type CacheSettings,
  type Component,
  directory,
  fuse,
  isAmazon,
  nodeSelection,
  type Runtime,
  resources,
  secretOptions,
  tierLevel,
} from './runtime.ts'
import type { Source } from './source.ts'

const gcsVolume = 'gcs-credentials'
const gcsDirectory = '/var/secrets/gcs'
/**
 * Fluid turns options of a mount at `/` into Alluxio properties of every component, but writes a Secret's
 * value only for the master: workers would use the path of the Secret's file as the key. With this prefix the
 * option belongs to the mount, and workers get it from the master.
 */
export const rootOption = 'alluxio.master.mount.table.root.option.'

/**
 * AlluxioRuntime. Sources: fluid v1.0.8 docs/en/samples/{s3,gcs}_configuration.md,
 * pkg/ddc/alluxio/transform*.go, charts/alluxio/templates/config.
 */
export const alluxio: Runtime = {
  kind: 'AlluxioRuntime',
  plural: 'alluxioruntimes',
  schemes: ['gs', 's3', 'oss', 'hdfs', 'http', 'https', 'pvc'],
  isLoadable: true,
  tiers: 'every',
  // Fluid's SyncRuntime does nothing for Alluxio: no other field changes a running cache.
  mutableFields: ['replicas', 'fuse.cleanPolicy'],

  // Fluid mounts it as the volume alluxio-mount-secret-<name>, and a volume's name has 63 characters and no dot.
  mountableSecret: /^[^.]{1,42}$/,

  refuses({ scheme, credentials, isReadAsNode = false }) {
    if (credentials.kind !== 'anonymous' || isReadAsNode || !needsIdentity.includes(scheme)) return undefined
    return `AlluxioRuntime cannot read ${scheme}:// without credentials: it would use the identity of its node; to allow that, set sources[].credentials.identity: Node in a policy`
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
    const { tieredStore: tiers } = settings
    return {
      replicas: settings.replicas,
      properties: properties(settings),
      tieredstore: { levels: tiers.map((tier) => tierLevel(tier)) },
      ...gcsVolumes(source),
      master: { ...nodes, ...mounts, jvmOptions: jvm(settings, 'master'), ...resources(settings, 'master') },
      worker: {
        ...nodes,
        ...mounts,
        jvmOptions: jvm(settings, 'worker'),
        ...resources(settings, 'worker', tiers),
      },
      ...fuse(settings, {
        args: ['fuse', fuseOptions],
        jvmOptions: jvm(settings, 'fuse'),
        properties: fuseProperties(settings),
        // Fluid applies these only if there is a memory limit, and adds the size of memory tiers itself.
        ...resources(settings, 'fuse'),
      }),
    }
  },
}

/**
 * Stores without an anonymous mode in their Alluxio client: those of S3 and GCS fall back to the machine's
 * identity, that of OSS fails. Source: alluxio 2.9 underfs/{s3a,gcs,oss}.
 */
const needsIdentity = ['s3', 'gs', 'oss']

// Fluid adds allow_other, and the mount point.
const fuseOptions = `--fuse-opts=auto_cache,ro,attr_timeout=${attributeTimeoutSeconds},entry_timeout=${attributeTimeoutSeconds}`

/**
 * Fluid's default is blocks of 16 MB, metadata that FUSE remembers for 10 min, and 32 MB that a worker sends ahead
 * (transform_optimization.go), which are lost at each jump. A master that starts waits until its journal has not
 * changed for 5 s, in case another master still writes it. Here it has one master, and several keep another journal.
 * While a worker loads a block, it reserves up to twice the block's size, and it loads ten at once (alluxio 2.9.3,
 * UnderFileSystemBlockReader.transferTo): with blocks of 256 MB a cache of 4 GiB had no room for a model of 3.1 GiB.
 */
function properties({ tieredStore }: CacheSettings): JsonObject {
  return {
    'alluxio.master.journal.tailer.shutdown.quiet.wait.time': '100ms',
    'alluxio.user.block.size.bytes.default': '64MB',
    'alluxio.user.metadata.cache.expiration.time': `${attributeTimeoutSeconds}s`,
    'alluxio.user.streaming.reader.chunk.size.bytes': '1MB',
    'alluxio.worker.network.reader.buffer.size': '4MB',
    ...waterMarks(tieredStore),
  }
}

/**
 * FUSE asks for 128 KiB at a time, and not always in order, most of all if a server maps its files. Alluxio's client
 * then closes its stream, and what the worker has sent ahead is lost. Keep pages in the client's memory: it
 * reads them from the worker in order, and answers FUSE from them. Source: alluxio 2.9.3, BlockInStream.seek and
 * LocalCacheFileInStream; Alluxio's issues 14739 and 16623.
 */
function fuseProperties(settings: CacheSettings): JsonObject {
  const pages = Math.floor(heapBytes(settings, 'fuse') / 4 / pageBytes)
  return {
    'alluxio.user.client.cache.enabled': 'true',
    'alluxio.user.client.cache.store.type': 'MEM',
    'alluxio.user.client.cache.page.size': `${inMebibytes(pageBytes)}MB`,
    'alluxio.user.client.cache.size': `${inMebibytes(Math.min(Math.max(pages, 1), 64) * pageBytes)}MB`,
  }
}

const pageBytes = 4 * 2 ** 20

const media = ['MEM', 'SSD', 'HDD']

/**
 * Fluid's chart does not write a level's water marks (charts/alluxio/templates/config). It numbers levels by
 * speed.
 */
function waterMarks(tiers: CacheSettings['tieredStore']): JsonObject {
  const ordered = tiers.toSorted((a, b) => media.indexOf(a.medium) - media.indexOf(b.medium))
  return Object.fromEntries(
    ordered.flatMap(({ high, low }, level) => {
      const mark = (name: string, share: string | undefined) =>
        share === undefined
          ? []
          : [[`alluxio.worker.tieredstore.level${level}.watermark.${name}.ratio`, share] as const]
      return [...mark('high', high), ...mark('low', low)]
    }),
  )
}

const gibibyte = 2 ** 30

/**
 * Fluid's own options are heaps of 16 GiB for master and FUSE and 12 GiB for a worker, and 32 GiB of direct
 * memory for worker and FUSE each (transform_optimization.go). Divide the memory limit among heap and buffers
 * instead. Set `-Xms` too, because the image's default could exceed `-Xmx`.
 */
function jvm(settings: CacheSettings, component: Component): string[] {
  const heap = inMebibytes(heapBytes(settings, component))
  const start = Math.min(heap, 1024)
  return [
    `-Xms${start}m`,
    `-Xmx${heap}m`,
    ...(component === 'fuse' ? ['-XX:+UseG1GC'] : []),
    ...(component === 'master'
      ? []
      : [`-XX:MaxDirectMemorySize=${inMebibytes(memoryBytes(settings, component) / 2.5)}m`]),
  ]
}

function heapBytes(settings: CacheSettings, component: Component): number {
  return memoryBytes(settings, component) / 2
}

/** The memory limit of a component, or what it may use without one. */
function memoryBytes({ resources: all }: CacheSettings, component: Component): number {
  return parseSizeBytes(all?.[component]?.limits?.memory ?? '') ?? 4 * gibibyte
}

function inMebibytes(bytes: number): number {
  return Math.max(1, Math.floor(bytes / 2 ** 20))
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
  // Alluxio's default is plain HTTP, to Amazon too (alluxio 2.9, UNDERFS_S3_SECURE_HTTP_ENABLED).
  const isSecure = url?.startsWith('http://') !== true
  const options: { [key: string]: string } = { 'alluxio.underfs.s3.secure.http.enabled': String(isSecure) }
  if (url !== undefined) {
    options['alluxio.underfs.s3.endpoint'] = url
    // A self-hosted store (MinIO, Ceph) has no DNS name per bucket unless the source says so.
    if (addressing !== 'virtual' && !isAmazon(url)) options['alluxio.underfs.s3.disable.dns.buckets'] = 'true'
    if (!isAmazon(url)) options['alluxio.underfs.s3.inherit.acl'] = 'false'
  }
  if (region !== undefined) {
    options['alluxio.underfs.s3.region'] = region
    // If there is an endpoint, Alluxio 2.9 signs with this region.
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
