import { limits } from '../values/limits.ts'
import { type Json, type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { storageInitializer } from './download.ts'
import type { Obstacle } from './obstacle.ts'

/** A ClusterStorageContainer that changes what KServe's storage initializer does, or replaces it. */
export interface StorageContainerFact {
  name: string
  /** What it changes, such as `image` and `env AWS_ENDPOINT_URL`. */
  changes: string[]
  /** The URIs that it is for: any of these. */
  formats: { prefix: string; regex: string }[]
}

/**
 * The enabled ones that customise a download. Source: kserve
 * pkg/apis/serving/v1alpha1/storage_container_types.go; the CRD's default for `workloadType` is
 * `initContainer`.
 */
export function storageContainerFacts(objects: KubeObject[]): StorageContainerFact[] {
  return objects.flatMap((object) => {
    const { spec, disabled, metadata } = object
    const workload = objectAt(spec).workloadType ?? 'initContainer'
    const changes = changesOf(objectAt(spec, 'container'))
    if (disabled === true || workload !== 'initContainer' || changes.length === 0) return []
    const formats = listAt(spec, 'supportedUriFormats').map((format) => ({
      prefix: stringAt(format, 'prefix') ?? '',
      regex: stringAt(format, 'regex') ?? '',
    }))
    return [{ name: metadata.name ?? '', changes, formats }]
  })
}

// The schemes that KServe's own image reads (python/storage/kserve_storage), and KServe's placeholder for the
// scheme of a storage spec. Any other needs another image.
const ownSchemes = /^(<scheme-placeholder>|s3|gs|hf|hdfs|webhdfs|https?|file|pvc):/

/**
 * The first that customises the download of a URI. KServe takes whichever of several its cache lists first, so
 * that a plain one that is for the URI, too, proves nothing. Another image changes nothing for a scheme that
 * KServe's own cannot read, such as oss://.
 */
export function storageContainerFor(
  uri: string,
  containers: StorageContainerFact[],
): StorageContainerFact | undefined {
  const counts = (change: string) => change !== 'image' || ownSchemes.test(uri)
  return containers
    .filter(({ formats }) => formats.some((format) => supports(format, uri)))
    .map((container) => ({ ...container, changes: container.changes.filter(counts) }))
    .find(({ changes }) => changes.length > 0)
}

/** A regular expression counts only without a prefix beside it. */
function supports({ prefix, regex }: StorageContainerFact['formats'][number], uri: string): boolean {
  if (prefix !== '') return uri.startsWith(prefix)
  if (regex === '') return false
  if (regex.length > limits.name) return true
  try {
    // An administrator of the cluster wrote it, and a URI is short. Go writes flags in front.
    const [, flags = '', pattern = ''] = /^(?:\(\?([ims]+)\))?(.*)$/s.exec(regex) ?? []
    return new RegExp(pattern, `u${flags}`).test(uri)
  } catch {
    // Go may know a syntax that is unknown here, and then it may match.
    return true
  }
}

/**
 * What the `storage-initializer` of an LLMInferenceService's template changes of the download. KServe ignores
 * its command and arguments (pkg/controller/v1alpha2/llmisvc/workload_storage.go, attachStorageInitializer),
 * and drops it for a claim.
 */
export function customInitializerObstacle(pods: JsonObject[]): Obstacle | undefined {
  const changes = pods
    .flatMap((pod) => listAt(pod, 'initContainers'))
    .filter((container) => stringAt(container, 'name') === storageInitializer)
    .flatMap((container) => changesOf({ ...objectAt(container), command: [], args: [] }))
  if (changes.length === 0) return undefined
  return { reason: 'CustomDownload', message: customisedBy(`the template's ${storageInitializer}`, changes) }
}

export function customisedBy(what: string, changes: string[]): string {
  const [first = '', ...others] = new Set(changes)
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  return `${what} customises the download (${first}${more}), and a cache would read without that`
}

/**
 * What a container that is merged over KServe's own changes of the download; resources and rights change
 * nothing.
 */
function changesOf(container: JsonObject): string[] {
  const image = stringAt(container, 'image') ?? ''
  const variables = listAt(container, 'env').map((entry) => stringAt(entry, 'name') ?? '')
  const lists = ['envFrom', 'volumeMounts', 'command', 'args'].filter((field) => hasAny(container[field]))
  return [
    ...(image === '' || isShipped(image) ? [] : ['image']),
    ...variables.filter((name) => !onlySpeed.test(name)).map((name) => `env ${name}`),
    ...lists,
  ]
}

// KServe, and Open Data Hub, build their images under these names; a registry of one's own keeps them.
const shippedImage = /^(odh-)?(kserve-)?storage-initializer(-rhel[0-9]+)?$/

function isShipped(image: string): boolean {
  const [name = ''] = image.slice(image.lastIndexOf('/') + 1).split(/[:@]/, 1)
  return shippedImage.test(name)
}

// Variables of KServe's python/storage, and of Hugging Face's hub, that change how fast a download is, or
// hf:// alone.
const onlySpeed = /^(HF_.*|S3_MAX_.*|S3_(CONNECT|READ)_TIMEOUT|AZURE_MAX_.*)$/

function hasAny(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length > 0
}
