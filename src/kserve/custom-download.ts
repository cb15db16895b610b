import { limits } from '../values/limits.ts'
import { type Json, type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { storageInitializer } from './download.ts'
import type { Obstacle } from './obstacle.ts'

/** A ClusterStorageContainer: the container that downloads some URIs. */
export interface StorageContainerFact {
  name: string
  /** The container, which KServe merges over its own. */
  container: JsonObject
  /** What it changes in a download, for example `image` and `env AWS_ENDPOINT_URL`; empty for KServe's own. */
  changes: string[]
  /** It downloads a URI that matches any of these. */
  formats: { prefix: string; regex: string }[]
}

/**
 * The enabled ClusterStorageContainers for init containers. `workloadType` defaults to `initContainer`,
 * as in the CRD. Source: kserve pkg/apis/serving/v1alpha1/storage_container_types.go.
 */
export function storageContainerFacts(objects: KubeObject[]): StorageContainerFact[] {
  return objects.flatMap((object) => {
    const { spec, disabled, metadata } = object
    const workload = objectAt(spec).workloadType ?? 'initContainer'
    const container = objectAt(spec, 'container')
    if (disabled === true || workload !== 'initContainer') return []
    const formats = listAt(spec, 'supportedUriFormats').map((format) => ({
      prefix: stringAt(format, 'prefix') ?? '',
      regex: stringAt(format, 'regex') ?? '',
    }))
    return [{ name: metadata.name ?? '', container, changes: changesOf(container), formats }]
  })
}

/**
 * The container that KServe would merge over its storage initializer for a URI. Of several that match, KServe
 * picks any: here one that customises the download comes first, then the first by name.
 */
export function initializerOverlay(uri: string, containers: StorageContainerFact[]): JsonObject | undefined {
  const matching = containers
    .filter(({ formats }) => formats.some((format) => supports(format, uri)))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return (matching.find(({ changes }) => changes.length > 0) ?? matching[0])?.container
}

// The schemes that KServe's own image reads (python/storage/kserve_storage), and KServe's placeholder for the
// scheme of a storage spec. Any other needs another image.
const ownSchemes = /^(<scheme-placeholder>|s3|gs|hf|hdfs|webhdfs|https?|file|pvc):/

/** Whether KServe's own image downloads a URI. */
export function isDownloadable(uri: string): boolean {
  return /^(s3|gs|hf|hdfs|webhdfs|https?):\/\//.test(uri)
}

/**
 * The first container that customises the download of a URI. KServe picks any of several that match, in the
 * order of its cache. A match that customises nothing therefore does not rule the others out. Another image
 * counts only for a scheme that KServe's own image reads: oss:// always needs another one.
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

/** KServe ignores the regular expression if a prefix is set. */
function supports({ prefix, regex }: StorageContainerFact['formats'][number], uri: string): boolean {
  if (prefix !== '') return uri.startsWith(prefix)
  if (regex === '') return false
  if (regex.length > limits.name) return true
  try {
    // Safe to run: a cluster administrator wrote the expression, and a URI is short. Go puts flags in front.
    const [, flags = '', pattern = ''] = /^(?:\(\?([ims]+)\))?(.*)$/s.exec(regex) ?? []
    return new RegExp(pattern, `u${flags}`).test(uri)
  } catch {
    // The syntax may be valid in Go only. Assume a match.
    return true
  }
}

/**
 * The obstacle if the template of an LLMInferenceService customises `storage-initializer`. KServe ignores the
 * command and arguments there (pkg/controller/v1alpha2/llmisvc/workload_storage.go,
 * attachStorageInitializer), and removes the container if the model is on a PVC.
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
 * What a container changes in the download if KServe merges it over its own. Resources and rights do not
 * count.
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

// The image names of KServe and Open Data Hub. A private registry keeps them.
const shippedImage = /^(odh-)?(kserve-)?storage-initializer(-rhel[0-9]+)?$/

function isShipped(image: string): boolean {
  const [name = ''] = image.slice(image.lastIndexOf('/') + 1).split(/[:@]/, 1)
  return shippedImage.test(name)
}

// Variables of KServe's python/storage and of the Hugging Face hub that change only the speed of a download,
// or only hf:// downloads.
const onlySpeed = /^(HF_.*|S3_MAX_.*|S3_(CONNECT|READ)_TIMEOUT|AZURE_MAX_.*)$/

function hasAny(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length > 0
}
