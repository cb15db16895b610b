import { gatesOf } from '../fluid/suspension.ts'
import { kserveConfigName } from '../kserve/config.ts'
import { downloadPart } from '../kserve/download.ts'
import { knownAnnotations } from '../values/annotations.ts'
import { conditionOf } from '../values/condition.ts'
import { fits } from '../values/footprint.ts'
import { isWarmgateKey, originalAnnotation } from '../values/keys.ts'
import { limits } from '../values/limits.ts'
import {
  defined,
  getIn,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  type ObjectMeta,
  objectAt,
  stringAt,
  stringMapAt,
} from '../values/object.ts'

// The memory that one pod may take: there are many pods.
const mostPodBytes = 32 * 2 ** 10
const mostGates = 16
// The memory for a service in a namespace where nothing is accelerated.
const mostClosedBytes = 8 * 2 ** 10

/** Why the mirror holds only the head of a service: identity, labels, and Warmgate's annotations. */
export type Cut = 'TooLarge' | 'Closed'
const cutMark: unique symbol = Symbol('cut')
type CutObject = KubeObject & { [cutMark]?: Cut }

/** Undefined for an object with everything that plans read. */
export function cutOf(object: KubeObject): Cut | undefined {
  return (object as CutObject)[cutMark]
}

/** The head of an object, marked as such. */
export function cut(object: KubeObject, why: Cut): KubeObject {
  // A service that was accelerated and has grown since keeps its record: its caches are still in use.
  const mostBytes = why === 'TooLarge' ? limits.objectBytes : mostClosedBytes
  return Object.assign(head(object, mostBytes), { [cutMark]: why })
}

export interface ServiceReduction {
  /** Whether anything in the service's namespace may be accelerated, or it was before that was closed. */
  isOpen: boolean
  /** The annotation that KServe's ConfigMap names for a service's storage secret. */
  storageSecretAnnotation: string
}

/**
 * What plans and holds read of a service: its spec, some annotations, how KServe deploys it, and whether it
 * is Ready. Only the head if it is too large, or its namespace is not open.
 */
export function reduceService(
  service: KubeObject,
  { isOpen, storageSecretAnnotation }: ServiceReduction,
): KubeObject {
  if (!isOpen) return cut(service, 'Closed')
  const { apiVersion, kind, metadata, spec, status } = service
  const { deploymentMode, annotations } = objectAt(status)
  const conditions = listAt(status, 'conditions')
    .filter((condition) => stringAt(condition, 'type') === 'Ready')
    .map((condition) => ({ type: 'Ready', status: stringAt(condition, 'status') }))
  const reduced = {
    apiVersion,
    kind,
    metadata: { ...identity(metadata), ...labelsAnd(metadata, [storageSecretAnnotation]) },
    spec,
    status: { ...defined({ deploymentMode, annotations }), conditions },
  }
  return fits(reduced, limits.objectBytes) ? reduced : cut(service, 'TooLarge')
}

/**
 * What holds read of a pod, and how long its download took. Undefined for a pod without Warmgate's marks in a
 * namespace that is not open.
 */
export function reducePod(pod: KubeObject, isOpen: boolean): KubeObject | undefined {
  if (!isOpen && !isMarked(pod)) return undefined
  const { apiVersion, kind, metadata, spec, status } = pod
  const download = downloadPart(pod)
  const { [originalAnnotation]: _, ...annotations } = knownAnnotations(metadata.annotations)
  const conditions = listAt(status, 'conditions').filter((condition) =>
    isWarmgateKey(stringAt(condition, 'type') ?? ''),
  )
  const claims = listAt(spec, 'volumes').filter(
    (volume) => stringAt(volume, 'persistentVolumeClaim', 'claimName') !== undefined,
  )
  const volumes = claims.map((volume) => ({
    name: stringAt(volume, 'name'),
    persistentVolumeClaim: { claimName: stringAt(volume, 'persistentVolumeClaim', 'claimName') },
  }))
  const names = new Set(volumes.map(({ name }) => name))
  const volumeMounts = listAt(spec, 'containers')
    .flatMap((container) => listAt(container, 'volumeMounts'))
    .filter((mount) => names.has(stringAt(mount, 'name')))
  const { nodeName, readinessGates = [], schedulingGates = [] } = objectAt(spec)
  const { labels, ownerReferences } = metadata
  const small = {
    apiVersion,
    kind,
    metadata: { ...identity(metadata), ...defined({ labels, ownerReferences }), annotations } as ObjectMeta,
    spec: {
      ...defined({ nodeName }),
      readinessGates: ours(readinessGates),
      schedulingGates: ours(schedulingGates),
    },
    status: { phase: stringAt(status, 'phase'), conditions },
  }
  const whole = {
    ...small,
    spec: {
      ...small.spec,
      ...(nodeName === undefined ? schedulingFields(spec) : {}),
      volumes,
      containers: [{ volumeMounts, ...(nodeName === undefined ? devices(spec) : {}) }],
      ...download.spec,
    },
    status: { ...small.status, ...download.status },
  }
  if (fits(whole, mostPodBytes)) return whole
  // It is still known to be held; without known mounts it is released.
  return { ...small, metadata: head(pod).metadata }
}

/** The fields that decide on which node a pod can run. */
function schedulingFields(spec: Json | undefined): JsonObject {
  const { tolerations, nodeSelector, runtimeClassName } = objectAt(spec)
  return defined({ tolerations, nodeSelector, runtimeClassName })
}

/** The limits of all containers in one: which devices a pod asks for. */
function devices(spec: Json | undefined): JsonObject {
  const limits = listAt(spec, 'containers').map((container) => objectAt(container, 'resources', 'limits'))
  return { resources: { limits: Object.assign({}, ...limits) } }
}

/** Whether a pod has a gate or an annotation of Warmgate. */
function isMarked({ metadata, spec }: KubeObject): boolean {
  const { readinessGates = [], schedulingGates = [] } = objectAt(spec)
  return (
    Object.keys(metadata.annotations ?? {}).some(isWarmgateKey) ||
    ours(readinessGates).length > 0 ||
    ours(schedulingGates).length > 0
  )
}

function ours(gates: Json): Json[] {
  const known = (Array.isArray(gates) ? gates : []).filter((gate) =>
    isWarmgateKey(stringAt(gate, 'conditionType') ?? stringAt(gate, 'name') ?? ''),
  )
  return known.slice(0, mostGates)
}

/** Any object of a tenant: without foreign annotations, and only the head if it is too large. */
export function reduceObject(object: KubeObject): KubeObject {
  const { annotations: _, ...metadata } = object.metadata
  const annotations = knownAnnotations(object.metadata.annotations)
  const reduced = {
    ...object,
    metadata: { ...metadata, ...(object.metadata.annotations === undefined ? {} : { annotations }) },
  }
  return fits(reduced, limits.objectBytes) ? reduced : head(object)
}

/** A loading Job, and whether it is suspended. */
export function reduceJob({ spec, ...job }: KubeObject): KubeObject {
  const suspend = getIn(spec, 'suspend') === true ? { spec: { suspend: true } } : {}
  return reduceObject({ ...job, ...suspend } as KubeObject)
}

/** A pod of a cache that has scheduling gates; no other one is held. */
export function reduceGatedPod(pod: KubeObject): KubeObject | undefined {
  const schedulingGates = gatesOf(pod).map((name) => ({ name }))
  return schedulingGates.length === 0 ? undefined : { ...head(pod), spec: { schedulingGates } }
}

/** Since when a pod of a cache is ready; undefined while it is not. */
export function reduceReadyPod(pod: KubeObject): KubeObject | undefined {
  const ready = conditionOf(pod, 'Ready')
  return stringAt(ready, 'status') === 'True'
    ? { ...head(pod), status: { conditions: [ready ?? null] } }
    : undefined
}

/** The part of a namespace that policies read. */
export function reduceNamespace({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  return { apiVersion, kind, metadata: { ...identity(metadata), ...defined({ labels: metadata.labels }) } }
}

/** A claim, and whether Fluid created it. */
export function reduceClaim({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { CreatedBy } = metadata.annotations ?? {}
  return { apiVersion, kind, metadata: { ...identity(metadata), annotations: defined({ CreatedBy }) } }
}

/** A volume and its claim. */
export function reduceVolume({ apiVersion, kind, metadata, spec }: KubeObject): KubeObject {
  const { namespace, name: claim } = objectAt(spec, 'claimRef')
  const { name, resourceVersion, uid } = metadata
  return {
    apiVersion,
    kind,
    metadata: defined({ name, resourceVersion, uid }),
    spec: { claimRef: { namespace, name: claim } },
  }
}

/** Only the one ConfigMap of KServe that is read, in the namespaces where KServe may be installed. */
export function reduceConfigMap(object: KubeObject, namespaces: readonly string[]): KubeObject | undefined {
  const { name, namespace = '' } = object.metadata
  return name === kserveConfigName && namespaces.includes(namespace) ? reduceObject(object) : undefined
}

/** An object without its spec. */
function head({ apiVersion, kind, metadata }: KubeObject, mostBytes = mostClosedBytes): KubeObject {
  const { labels } = metadata
  const annotations = Object.fromEntries(
    Object.entries(stringMapAt(metadata, 'annotations')).filter(([key]) => isWarmgateKey(key)),
  )
  return {
    apiVersion,
    kind,
    metadata: {
      ...identity(metadata),
      ...(labels !== undefined && fits(labels, mostClosedBytes) ? { labels } : {}),
      ...(fits(annotations, mostBytes) ? { annotations } : {}),
    },
  }
}

function identity(metadata: ObjectMeta): ObjectMeta {
  const { name, generateName, namespace, uid, resourceVersion, generation } = metadata
  const { creationTimestamp, deletionTimestamp } = metadata
  const [who, which] = [
    { name, generateName, namespace },
    { uid, resourceVersion, generation },
  ]
  return defined({ ...who, ...which, creationTimestamp, deletionTimestamp })
}

function labelsAnd(metadata: ObjectMeta, more: readonly string[]): ObjectMeta {
  const annotations =
    metadata.annotations === undefined ? undefined : knownAnnotations(metadata.annotations, more)
  return defined({ labels: metadata.labels, annotations })
}
