import {
  partOfAnnotation,
  retriesAnnotation,
  retryLimitAnnotation,
  sourceAnnotation,
  warmWhenAnnotation,
} from '../values/keys.ts'
import { type JsonObject, type KubeObject, type ObjectMeta, stringAt } from '../values/object.ts'
import { parseSizeBytes } from '../values/size.ts'
import { loadName } from './name.ts'
import type { DatasetMount, Toleration } from './runtime.ts'

const managedByLabel = 'app.kubernetes.io/managed-by'

/** Whether Warmgate created a Fluid object. */
export function isOurs(object: KubeObject): boolean {
  return object.metadata.labels?.[managedByLabel] === 'warmgate'
}

/** Adds an annotation with the Dataset's UID to a Runtime or DataLoad. */
export function asPartOf(object: KubeObject, { metadata: { uid } }: KubeObject): KubeObject {
  if (uid === undefined) return object
  const annotations = { ...object.metadata.annotations, [partOfAnnotation]: uid }
  return { ...object, metadata: { ...object.metadata, annotations } }
}

/**
 * Whether an object belongs to an earlier Dataset of the same name. Owner references are not enough:
 * Kubernetes removes a reference to a deleted Dataset if another owner remains. So Warmgate's objects have
 * the UID as an annotation.
 */
export function belongsToPreviousDataset({ metadata }: KubeObject, dataset: KubeObject | undefined): boolean {
  const uid = dataset?.metadata.uid
  const partOf = metadata.annotations?.[partOfAnnotation]
  if (partOf !== undefined) return partOf !== uid
  const owners = (metadata.ownerReferences ?? []).filter(({ kind }) => kind === 'Dataset')
  return owners.length > 0 && !owners.some((owner) => owner.uid === uid)
}

/**
 * Whether a cache is ready as soon as its Dataset is Bound, because its runtime has no DataLoad or its policy
 * has `warmup.enabled: false`. Such a cache fills while it is read.
 */
export function isWarmWhenBound(dataset: KubeObject): boolean {
  return dataset.metadata.annotations?.[warmWhenAnnotation] === 'Bound'
}

/** Not by the Ready condition: Fluid sets it to False after a successful update. */
export function isBound(dataset: KubeObject): boolean {
  return stringAt(dataset, 'status', 'phase') === 'Bound'
}

/** A Dataset that nothing warms up. */
export function asWarmWhenBound(dataset: KubeObject): KubeObject {
  const annotations = { ...dataset.metadata.annotations, [warmWhenAnnotation]: 'Bound' }
  return { ...dataset, metadata: { ...dataset.metadata, annotations } }
}

/** Whether a DataLoad has filled its cache. */
export function isComplete(dataLoad: KubeObject): boolean {
  return stringAt(dataLoad, 'status', 'phase') === 'Complete'
}

/** The size of what a Dataset mounts, in bytes; undefined if Fluid has not counted it, or counted 0. */
export function modelBytesOf(dataset: KubeObject): number | undefined {
  return parseSizeBytes(stringAt(dataset, 'status', 'ufsTotal') ?? '') || undefined
}

/**
 * Whether a Dataset has files. Alluxio, JuiceFS, EFC and Thin count files. Jindo counts only bytes, and only
 * if Fluid's chart sets queryUfsTotal. All but Thin report cached bytes. Fluid never repeats a count of 0, so
 * cached bytes win over it. Source: fluid v1.0.8 pkg/ddc, metadata.go and status.go of each.
 */
export function filesOf(dataset: KubeObject): 'some' | 'none' | 'counting' | 'unknown' {
  const status = (...path: string[]) => stringAt(dataset, 'status', ...path) ?? ''
  const bytes = parseSizeBytes(status('ufsTotal'))
  const files = /^\d{1,15}$/.test(status('fileNum')) ? Number(status('fileNum')) : undefined
  const cachedBytes = parseSizeBytes(status('cacheStates', 'cached'))
  if ([bytes, files, cachedBytes].some((count) => count !== undefined && count > 0)) return 'some'
  if (bytes === 0 || files === 0) return 'none'
  return status('ufsTotal') === '[Calculating]' ? 'counting' : 'unknown'
}

/** Which retry of a warm-up a DataLoad is. Zero is the first try. */
export function retryOf(dataLoad: KubeObject): number {
  return countIn(dataLoad, retriesAnnotation)
}

/** How often a warm-up that fails is tried again, by the policy in force; zero for a team's own DataLoad. */
export function retryLimitOf(dataLoad: KubeObject): number {
  return countIn(dataLoad, retryLimitAnnotation)
}

/** The latest retry of a warm-up, as its Dataset counts it; the DataLoad of that name may be gone. */
export function latestRetry(dataset: KubeObject | undefined, load: string): number {
  return dataset === undefined ? 0 : countIn(dataset, counterOf(dataset, load))
}

// The maximum of `warmup.retries`. Limits the annotation, because users can edit it.
const mostRetries = 100

function countIn({ metadata: { annotations = {} } }: KubeObject, name: string): number {
  const count = Number(annotations[name] ?? 0)
  return Number.isInteger(count) && count > 0 ? Math.min(count, mostRetries) : 0
}

/** Each DataLoad of a Dataset has its own counter. */
function counterOf({ metadata: { name } }: KubeObject, load: string): string {
  return load === name ? retriesAnnotation : `${retriesAnnotation}.${load}`
}

/**
 * A DataLoad as retry number `retry` of at most `limit`. The limit is written on it so that a reader who does
 * not know the policy can tell whether a failure is final.
 */
export function asRetry(dataLoad: KubeObject, retry: number, limit: number): KubeObject {
  const annotations = {
    ...dataLoad.metadata.annotations,
    ...(retry > 0 && { [retriesAnnotation]: String(retry) }),
    [retryLimitAnnotation]: String(limit),
  }
  return { ...dataLoad, metadata: { ...dataLoad.metadata, annotations } }
}

/** The merge patch that writes the latest retry of a warm-up on its Dataset; 0 removes the count. */
export function retryPatch(dataset: KubeObject, load: string, retry: number): JsonObject {
  return { metadata: { annotations: { [counterOf(dataset, load)]: retry === 0 ? null : String(retry) } } }
}

/** The fields that all objects of a cache share. */
export interface CacheIdentity {
  name: string
  namespace: string
  uri: string
}

export function ourMetadata({ name, namespace, uri }: CacheIdentity): ObjectMeta {
  return {
    name,
    namespace,
    labels: { [managedByLabel]: 'warmgate' },
    annotations: { [sourceAnnotation]: uri },
  }
}

/**
 * A Fluid object of Warmgate. It must not have KServe's labels: KServe deletes objects that it does not know
 * if they have a service's label.
 */
export function fluidObject(cache: CacheIdentity, kind: string, spec: JsonObject): KubeObject {
  return { apiVersion: 'data.fluid.io/v1alpha1', kind, metadata: ourMetadata(cache), spec }
}

/**
 * The Dataset of a cache. It has one mount, at the root of the PVC, because KServe drops the sub-path of
 * `pvc://claim/path` in some shapes. It is Shared, because by default Fluid allows one Dataset per node. Its
 * tolerations apply to all masters and workers.
 */
export function dataset(cache: CacheIdentity, mount: DatasetMount, tolerations: Toleration[]): KubeObject {
  const { mountPoint, name = cache.name, options, encryptOptions } = mount
  const written: JsonObject = { mountPoint, name, path: '/', readOnly: true }
  if (Object.keys(options).length > 0) written.options = options
  if (encryptOptions.length > 0) written.encryptOptions = encryptOptions
  return fluidObject(cache, 'Dataset', {
    mounts: [written],
    accessModes: ['ReadOnlyMany'],
    placement: 'Shared',
    ...tolerated(tolerations),
  })
}

export interface Load {
  replicas: number
  tolerations: Toleration[]
  options: { [key: string]: string } | undefined
  resources: JsonObject
  /** The path in the cache; empty for the whole cache. */
  path: string
}

/**
 * The DataLoad that fills a cache or one path of it. Without `dataset.namespace` Fluid waits forever,
 * silently.
 */
export function dataLoad(cache: CacheIdentity, load: Load): KubeObject {
  const { replicas, tolerations, options, path, resources } = load
  const uri = path === '' ? cache.uri : `${cache.uri}/${path}`
  return fluidObject({ ...cache, name: loadName(cache.name, path), uri }, 'DataLoad', {
    dataset: { name: cache.name, namespace: cache.namespace },
    loadMetadata: true,
    target: [{ path: `/${path}`, replicas }],
    ...(options === undefined ? {} : { options }),
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
    ...tolerated(tolerations),
  })
}

function tolerated(tolerations: Toleration[]): JsonObject {
  return tolerations.length === 0 ? {} : { tolerations: tolerations.map((toleration) => ({ ...toleration })) }
}
