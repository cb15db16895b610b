import type { Cache } from '../fluid/desired.ts'
import { pathsOf } from '../fluid/runtime.ts'
import { readOriginal, restored } from '../plan/service/original.ts'
import { optedIn } from '../policy/scope.ts'
import { formatDuration, goDuration } from '../values/duration.ts'
import type { KubeObject } from '../values/object.ts'
import { formatSize, parseSizeBytes } from '../values/size.ts'
import { printableLines } from '../values/text.ts'
import type { Cluster } from './cluster.ts'
import { ManifestFacts } from './manifest-facts.ts'
import type { Manifest } from './manifests.ts'
import {
  isService,
  type PlannedService,
  planService,
  printNotes,
  readPolicies,
  withPolicies,
} from './plan.ts'
import { reportDownloads, type ServiceReport, sum } from './report.ts'
import { readClusterObjects } from './simulate-cluster.ts'
import { type Column, table } from './table.ts'
import type { Streams } from './terminal.ts'

export type SimulateFormat = 'table' | 'wide' | 'json'

export interface SimulateOptions {
  cluster: Omit<Cluster, 'clock'>
  /** Policies to try, in place of those of the same name; without any, those of the cluster. */
  files: string[]
  selector?: string | undefined
  /** As if every namespace were opted in. */
  optIn: boolean
  /** What a warm cache is assumed to save of a download, from 0 to 1. */
  saving: number
  output: SimulateFormat
}

/** What would become of one service if it were created today. */
interface Simulated {
  planned: PlannedService
  isAccelerated: boolean
  /** What its pods spent on downloads. */
  report: ServiceReport | undefined
}

/**
 * `warmgate simulate`: what policies would do to every service of a live cluster, as if each were created today. It
 * plans as `warmgate plan` does, and counts downloads as `warmgate report` does; nothing is written. Resolves with the
 * exit status: 1 if a service would be denied.
 */
export async function runSimulate(options: SimulateOptions, streams: Streams): Promise<0 | 1 | 2> {
  const { files, cluster, selector, optIn, saving, output } = options
  const read = await readPolicies(files, streams)
  const found = await readClusterObjects(cluster, selector)
  const objects = [
    ...found.objects.map(optIn ? asOptedIn : (object: KubeObject) => object),
    ...found.services,
  ]
  const manifests = withPolicies<Manifest>(objects.map(inCluster), read.manifests)
  const facts = new ManifestFacts(manifests, found)
  const reports = new Map(reportDownloads(found.pods, saving).map((report) => [reportKey(report), report]))
  const simulated = found.services.filter(isService).map((service): Simulated => {
    const planned = planService(restored(service), facts)
    const { kind, metadata } = service
    const key = reportKey({ namespace: planned.namespace, service: metadata.name ?? '', kind })
    return { planned, isAccelerated: readOriginal(service) !== undefined, report: reports.get(key) }
  })
  streams.stdout.write(render[output](simulated))
  const unread = found.unread.map((plural) => `${plural} cannot be read with your rights: taken for absent`)
  printNotes({ notes: [...read.notes, ...new Set(unread)], problems: [] }, streams)
  return simulated.some(({ planned }) => planned.plan.decision === 'deny') ? 1 : 0
}

function inCluster(object: KubeObject): Manifest {
  const { namespace = '', name = '' } = object.metadata
  return { object, place: `${object.kind} ${namespace}/${name} of the cluster` }
}

function asOptedIn(object: KubeObject): KubeObject {
  if (object.kind !== 'Namespace') return object
  return { ...object, metadata: { ...object.metadata, labels: optedIn(object.metadata.labels ?? {}) } }
}

const reportKey = ({ namespace, service, kind }: Pick<ServiceReport, 'namespace' | 'service' | 'kind'>) =>
  `${kind}/${namespace}/${service}`

const render: Record<SimulateFormat, (simulated: Simulated[]) => string> = {
  json: (simulated) =>
    printableLines(
      `${JSON.stringify({ services: simulated.map(toJson), total: totalOf(simulated) }, null, 2)}\n`,
    ),
  table: (simulated) => textOf(simulated, columns),
  wide: (simulated) => textOf(simulated, [...columns, ...wideColumns]),
}

const columns: Column<Simulated>[] = [
  ['NAMESPACE', ({ planned }) => planned.namespace],
  ['SERVICE', ({ planned }) => planned.before.metadata.name ?? ''],
  ['NOW', ({ isAccelerated }) => (isAccelerated ? 'accelerated' : '-')],
  ['THEN', ({ planned: { plan } }) => plan.decision],
  ['REASON', ({ planned: { plan } }) => plan.reason],
  [
    'CACHE',
    ({ planned: { plan } }) => (plan.caches.length === 0 ? '-' : formatSize(sum(plan.caches.map(roomBytes)))),
  ],
  [
    'HOLD',
    ({ planned: { plan } }) =>
      plan.hold === undefined ? '-' : `${plan.hold.at} ${goDuration(plan.hold.timeoutMs)}`,
  ],
  ['DOWNLOADING', ({ report }) => duration(report?.downloadSeconds)],
  ['SAVED', ({ planned, report }) => (isServed(planned) ? duration(report?.savedSeconds) : '-')],
]

const wideColumns: Column<Simulated>[] = [
  ['POLICY', ({ planned: { plan } }) => plan.policy ?? '-'],
  ['CACHES', ({ planned: { plan } }) => plan.caches.map(({ name }) => name).join(',') || '-'],
  ['MESSAGE', ({ planned: { plan } }) => plan.message],
]

function textOf(simulated: Simulated[], chosen: Column<Simulated>[]): string {
  if (simulated.length === 0) return 'no service is there\n'
  return `${[...table(chosen, simulated), '', summary(simulated)].join('\n')}\n`
}

function isServed({ plan }: PlannedService): boolean {
  return plan.decision === 'accelerate'
}

function totalOf(simulated: Simulated[]) {
  const served = simulated.filter(({ planned }) => isServed(planned))
  const caches = distinctCaches(served)
  return {
    services: simulated.length,
    accelerated: served.length,
    caches: caches.length,
    cacheBytes: sum(caches.map(roomBytes)),
    downloadSeconds: sum(simulated.map(({ report }) => report?.downloadSeconds ?? 0)),
    savedSeconds: sum(served.map(({ report }) => report?.savedSeconds ?? 0)),
  }
}

/** Services with the same model share a cache. */
function distinctCaches(simulated: Simulated[]): Cache[] {
  const caches = simulated.flatMap(({ planned }) => planned.plan.caches)
  return [...new Map(caches.map((cache) => [`${cache.namespace}/${cache.name}`, cache])).values()]
}

function summary(simulated: Simulated[]): string {
  const { services, accelerated, caches, cacheBytes, savedSeconds } = totalOf(simulated)
  const room =
    caches === 0
      ? ''
      : `, from ${caches} cache${caches === 1 ? '' : 's'} with room for ${formatSize(cacheBytes)}`
  const saved =
    savedSeconds === 0
      ? ''
      : `; downloads of ${duration(savedSeconds)} would be saved (an estimate, as in warmgate report)`
  return `${accelerated} of ${services} would be accelerated if they were created today${room}${saved}`
}

/** What the workers of a cache may keep, all together. */
function roomBytes({ settings: { replicas, tieredStore } }: Cache): number {
  const tiers = tieredStore.map(
    (tier) => (parseSizeBytes(tier.quota) ?? 0) * Math.max(pathsOf(tier).length, 1),
  )
  return replicas * sum(tiers)
}

function toJson({ planned, isAccelerated, report }: Simulated) {
  const { namespace, before, plan } = planned
  return {
    ...{ kind: before.kind, namespace, name: before.metadata.name ?? '', isAccelerated },
    ...{ decision: plan.decision, reason: plan.reason, message: plan.message, policy: plan.policy ?? null },
    caches: plan.caches.map((cache) => ({
      name: cache.name,
      runtime: cache.runtime,
      bytes: roomBytes(cache),
    })),
    hold: plan.hold === undefined ? null : { at: plan.hold.at, timeout: goDuration(plan.hold.timeoutMs) },
    warnings: plan.warnings,
    downloadSeconds: report?.downloadSeconds ?? 0,
    savedSeconds: isServed(planned) ? (report?.savedSeconds ?? 0) : 0,
  }
}

function duration(seconds: number | undefined): string {
  return seconds === undefined || seconds === 0 ? '-' : formatDuration(seconds * 1_000)
}
