import {
  getIn,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { parseSizeBytes } from '../../src/values/size.ts'
import type { RuntimeKind } from './kinds.ts'

export const calculating = '[Calculating]'
const category = 'Accelerate'
const sizeUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export interface CacheReport {
  cachedBytes: number
  capacityBytes: number
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
export function timestamp(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/\.[0-9]+Z$/, 'Z')
}

/** As Fluid prints sizes: `3.14GiB`. Source: pkg/utils/byte_size.go. */
export function fluidSize(bytes: number): string {
  let amount = bytes
  let unit = 0
  for (; amount >= 1024 && unit < sizeUnits.length - 1; unit++) amount /= 1024
  return `${amount.toFixed(2)}${sizeUnits[unit]}`
}

/** As Go prints a duration of whole seconds: `42s`, `5m10s`, `6h7m0s`. */
export function wholeSeconds(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60]
  const larger = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : ''
  return `${larger}${seconds % 60}s`
}

/**
 * pkg/ddc/{jindocache,alluxio}/cache.go: Jindo clips the percentage at 100, Alluxio divides by nothing too.
 */
export function cacheStates(report: CacheReport, ufsTotal: string | undefined, kind: RuntimeKind) {
  const { cachedBytes, capacityBytes } = report
  if (kind.type === 'juicefs') return juicefsStates(capacityBytes)
  const states: { [state: string]: string } = {
    cacheCapacity: fluidSize(capacityBytes),
    cached: fluidSize(cachedBytes),
    cachedPercentage: percentage(cachedBytes, ufsTotal, kind),
  }
  if (kind.type === 'jindo') return states
  const ratios = ['cacheHitRatio', 'localHitRatio', 'remoteHitRatio']
  const throughputs = ['cacheThroughputRatio', 'localThroughputRatio', 'remoteThroughputRatio']
  return { ...states, ...Object.fromEntries([...ratios, ...throughputs].map((name) => [name, '0.0%'])) }
}

/** pkg/ddc/juicefs/cache.go: without a FUSE pod, nothing is known but the room. */
function juicefsStates(capacityBytes: number): { [state: string]: string } {
  const unknown = ['cached', 'cachedPercentage', 'cacheHitRatio', 'cacheThroughputRatio']
  return {
    cacheCapacity: fluidSize(capacityBytes),
    ...Object.fromEntries(unknown.map((name) => [name, ''])),
  }
}

function percentage(cachedBytes: number, ufsTotal: string | undefined, kind: RuntimeKind): string {
  const totalBytes = parseSizeBytes(ufsTotal ?? '')
  if (totalBytes === undefined) return ''
  // Both sides are read back from what was printed, two digits and all.
  const ratio = (parseSizeBytes(fluidSize(cachedBytes)) ?? 0) / totalBytes
  if (kind.type === 'jindo') return `${(Math.min(ratio || 0, 1) * 100).toFixed(1)}%`
  return Number.isFinite(ratio) ? `${(ratio * 100).toFixed(1)}%` : `${Number.isNaN(ratio) ? 'NaN' : '+Inf'}%`
}

/** pkg/utils/dataset_condition.go: one condition of each type, and none is ever removed. */
export function withCondition(conditions: Json[], condition: JsonObject): Json[] {
  const before = conditions.find((one) => stringAt(one, 'type') === condition.type)
  if (before === undefined) return [...conditions, condition]
  const unchanged = stringAt(before, 'status') === condition.status
  const next = unchanged
    ? { ...condition, lastTransitionTime: stringAt(before, 'lastTransitionTime') }
    : condition
  return conditions.map((one) => (one === before ? next : one))
}

function holding(type: string, words: { reason: string; message: string }, nowMs: number): JsonObject {
  const now = timestamp(nowMs)
  return { type, status: 'True', ...words, lastTransitionTime: now, lastUpdateTime: now }
}

/** pkg/ddc/{jindocache,alluxio,juicefs}/dataset.go. Only Jindo does not write what it has mounted. */
export function bound(
  dataset: KubeObject,
  runtime: KubeObject,
  { kind, nowMs }: { kind: RuntimeKind; nowMs: number },
): JsonObject {
  const status = objectAt(dataset, 'status')
  const { name, namespace } = runtime.metadata
  const runtimes = listAt(status, 'runtimes')
  const entry = {
    name,
    namespace,
    category,
    type: kind.type,
    ...masters(runtime, kind),
  }
  const isKnown = runtimes.some((one) => stringAt(one, 'category') === category)
  const ready = holding('Ready', { reason: 'DatasetReady', message: 'The ddc runtime is ready.' }, nowMs)
  return {
    ...status,
    ...(kind.type !== 'jindo' && listAt(status, 'mounts').length === 0
      ? { mounts: listAt(dataset, 'spec', 'mounts') }
      : {}),
    phase: 'Bound',
    runtimes: isKnown ? runtimes : [...runtimes, entry],
    conditions: withCondition(listAt(status, 'conditions'), ready),
  }
}

/** JuiceFS has no masters: Fluid reports the number of workers instead. Go omits a zero. */
function masters(runtime: KubeObject, kind: RuntimeKind): JsonObject {
  const count = kind.type === 'juicefs' ? replicas(runtime) : numberAt(runtime, 'master', 'replicas')
  return count === 0 ? {} : { masterReplicas: count }
}

/** pkg/controllers/runtime_controller.go: a setup that failed leaves the phase as it is. */
export function notReady(dataset: KubeObject, message: string, nowMs: number): JsonObject {
  const failed = holding('NotReady', { reason: 'DatasetFailedToSetup', message }, nowMs)
  return {
    ...objectAt(dataset, 'status'),
    conditions: withCondition(listAt(dataset, 'status', 'conditions'), failed),
  }
}

/** The status of a Dataset after its Runtime was deleted. */
export function unbound(dataset: KubeObject): JsonObject {
  const { ufsTotal: _total, fileNum: _files, ...status } = objectAt(dataset, 'status')
  return { ...status, phase: 'NotBound', conditions: [], cacheStates: {}, runtimes: [] }
}

/** The Runtime that a DataLoad would run on; undefined before the Dataset was ever Bound. */
export function boundRuntime(dataset: KubeObject): Json | undefined {
  return listAt(dataset, 'status', 'runtimes').find((one) => stringAt(one, 'category') === category)
}

/** pkg/ddc/jindocache/status.go, with every field that the CRD requires. */
export function runtimeStatus(
  runtime: KubeObject,
  kind: RuntimeKind,
  states: { [state: string]: string },
): JsonObject {
  const workers = replicas(runtime)
  return {
    ...objectAt(runtime, 'status'),
    valueFile: `${runtime.metadata.name}-${kind.engine}-values`,
    ...masterStatus(kind),
    workerPhase: 'Ready',
    desiredWorkerNumberScheduled: workers,
    currentWorkerNumberScheduled: workers,
    workerNumberReady: workers,
    workerNumberAvailable: workers,
    fusePhase: 'Ready',
    desiredFuseNumberScheduled: 0,
    currentFuseNumberScheduled: 0,
    fuseNumberReady: 0,
    cacheStates: states,
  }
}

function masterStatus(kind: RuntimeKind): JsonObject {
  const count = kind.type === 'juicefs' ? 0 : 1
  return {
    masterPhase: count === 0 ? '' : 'Ready',
    desiredMasterNumberScheduled: count,
    currentMasterNumberScheduled: count,
    masterNumberReady: count,
  }
}

/** All workers' quota. Jindo reads only the first tier: pkg/ddc/jindocache/transform.go. */
export function capacityBytes(runtime: KubeObject, kind: RuntimeKind): number {
  const levels = listAt(runtime, 'spec', 'tieredstore', 'levels')
  const used = kind.type === 'jindo' ? levels.slice(0, 1) : levels
  const quotas = used.map((level) => parseSizeBytes(stringAt(level, 'quota') ?? '1Gi') ?? 0)
  return quotas.reduce((sum, quota) => sum + quota, 0) * replicas(runtime)
}

function replicas(runtime: KubeObject): number {
  return numberAt(runtime, 'replicas')
}

function numberAt(runtime: KubeObject, ...path: string[]): number {
  return Number(getIn(runtime, 'spec', ...path) ?? 0)
}
