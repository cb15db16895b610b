import { acceleratorCount } from '../kserve/devices.ts'
import { isStorageInitializer } from '../kserve/download.ts'
import { servesModel, serviceOfPod } from '../kserve/pod.ts'
import { conditionOf, isTrue } from '../values/condition.ts'
import { formatDuration } from '../values/duration.ts'
import { getIn, isObject, type Json, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { printable, printableLines } from '../values/text.ts'
import { describeSources, type SourcesReport } from './report-sources.ts'
import { type Column, table } from './table.ts'

export const reportFormats = ['table', 'json', 'csv'] as const
export type ReportFormat = (typeof reportFormats)[number]

/**
 * The default share of a download that a warm cache saves: KServe's sample with Fluid started Llama 3.1 8B in
 * 50.1 s instead of 265.3 s (docs/samples/fluid), which is 81 %.
 */
export const publishedSaving = 0.8

/** The model downloads of one service's pods. Times in seconds. */
export interface ServiceReport {
  namespace: string
  service: string
  kind: string
  pods: number
  /** Pods after the first of their template: each downloaded a model that another pod already had. */
  scaleOuts: number
  /** How many downloads completed, how many attempts failed, and how many still run. */
  downloads: number
  restarts: number
  running: number
  /** Total of completed downloads and of the last failed attempts. */
  downloadSeconds: number
  longestSeconds: number
  /** Total time from creation to Ready, for pods that became Ready. */
  startSeconds: number
  gpuSeconds: number
  savedSeconds: number
  savedGpuSeconds: number
}

/** Reads downloads from pod statuses, by service. Services with the longest downloads come first. */
export function reportDownloads(pods: KubeObject[], saving: number): ServiceReport[] {
  const counted = pods.filter((pod) => servesModel(pod) || initializersOf(pod).length > 0)
  const services = Map.groupBy(counted, (pod) => {
    const { kind, name } = serviceOfPod(pod) ?? { kind: '', name: '' }
    return `${kind}/${pod.metadata.namespace}/${name}`
  })
  return [...services.values()]
    .flatMap((group) => reportService(group, saving))
    .toSorted((a, b) => b.downloadSeconds - a.downloadSeconds || order(a).localeCompare(order(b)))
}

const order = ({ namespace, service, kind }: ServiceReport) => `${namespace}/${service}/${kind}`

function reportService(pods: KubeObject[], saving: number): ServiceReport[] {
  const [first] = pods
  const service = first && serviceOfPod(first)
  if (service === undefined) return []
  const found = pods.map((pod) => ({ gpus: gpusOf(pod), ...downloadsOf(pod) }))
  const finished = found.flatMap((each) => each.finished)
  const seconds = sum(found.map(spent))
  const gpuSeconds = sum(found.map((each) => each.gpus * spent(each)))
  const templates = new Set(
    pods.map(({ metadata }) => metadata.labels?.['pod-template-hash'] ?? metadata.name),
  )
  return [
    {
      namespace: first?.metadata.namespace ?? 'default',
      service: service.name,
      kind: service.kind,
      pods: pods.length,
      scaleOuts: pods.length - templates.size,
      downloads: finished.length,
      restarts: sum(found.map(({ restarts }) => restarts)),
      running: sum(found.map(({ running }) => running)),
      downloadSeconds: seconds,
      longestSeconds: Math.max(0, ...finished),
      startSeconds: sum(pods.map(startSeconds)),
      gpuSeconds,
      savedSeconds: Math.round(seconds * saving),
      savedGpuSeconds: Math.round(gpuSeconds * saving),
    },
  ]
}

interface PodDownloads {
  finished: number[]
  failed: number[]
  restarts: number
  running: number
}

const spent = ({ finished, failed }: PodDownloads) => sum([...finished, ...failed])

/**
 * The storage initializers of a pod: several for a service with several URIs. Ignores other init containers.
 */
function initializersOf(pod: KubeObject): Json[] {
  return listAt(pod, 'status', 'initContainerStatuses').filter((status) => isStorageInitializer(status))
}

/** A status has the times of the last failed attempt; of earlier attempts it has only the number. */
function downloadsOf(pod: KubeObject): PodDownloads {
  const initializers = initializersOf(pod)
  const ended = initializers.flatMap((status) => [
    objectAt(status, 'state', 'terminated'),
    objectAt(status, 'lastState', 'terminated'),
  ])
  const took = (isDone: boolean) =>
    ended
      .filter(({ exitCode }) => typeof exitCode === 'number' && (exitCode === 0) === isDone)
      .map(({ startedAt, finishedAt }) => between(startedAt, finishedAt))
      .filter((seconds) => seconds !== undefined)
  return {
    finished: took(true),
    failed: took(false),
    restarts: sum(initializers.map((status) => Number(objectAt(status).restartCount ?? 0))),
    running: initializers.filter((status) => isObject(getIn(status, 'state', 'running'))).length,
  }
}

/** The GPUs of a pod, which it occupies once it is scheduled. A ResourceClaim counts as one. */
function gpusOf(pod: KubeObject): number {
  const containers = listAt(pod, 'spec', 'containers')
  const claims = containers.flatMap((container) => listAt(container, 'resources', 'claims'))
  const names = new Set(claims.map((claim) => stringAt(claim, 'name')))
  return (
    names.size +
    sum(containers.map((container) => acceleratorCount(objectAt(container, 'resources', 'limits'))))
  )
}

function startSeconds(pod: KubeObject): number {
  if (!isTrue(pod, 'Ready')) return 0
  return between(pod.metadata.creationTimestamp, conditionOf(pod, 'Ready')?.lastTransitionTime) ?? 0
}

function between(start: Json | undefined, end: Json | undefined): number | undefined {
  const seconds = (Date.parse(String(end)) - Date.parse(String(start))) / 1_000
  return Number.isNaN(seconds) || seconds < 0 ? undefined : seconds
}

export function sum(numbers: number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

export interface DownloadReport {
  services: ServiceReport[]
  sources: SourcesReport
  saving: number
}

/** Renders the report. Every format for people states the assumption about savings. */
export const renderReport: Record<ReportFormat, (report: DownloadReport) => string> = {
  json: ({ services, sources, saving }) => {
    const report = {
      assumption: { saving, says: assumption(saving) },
      services,
      total: total(services),
      sources,
    }
    return printableLines(`${JSON.stringify(report, null, 2)}\n`)
  },
  csv: ({ services }) => {
    const fields = Object.keys(total([])) as (keyof ServiceReport)[]
    const lines = services.map((service) => fields.map((field) => csvCell(service[field])).join(','))
    return `${[fields.join(','), ...lines].join('\n')}\n`
  },
  table: ({ services, sources, saving }) => {
    const rows = services.length > 1 ? [...services, total(services)] : services
    const text =
      services.length === 0 ? 'there are no pods of services\n' : `${table(columns, rows).join('\n')}\n`
    const reach = describeSources(sources)
    return `${text}\n${reach === '' ? '' : `${reach}\n`}${assumption(saving)}\nOnly existing pods are counted.\n`
  },
}

/** Escapes values that a spreadsheet would read as a formula. */
function csvCell(value: string | number): string {
  const text = printable(String(value))
  const safe = /^[=+\-@]/.test(text) ? `'${text}` : text
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

function assumption(saving: number): string {
  const percent = `${Math.round(saving * 100)} %`
  return `SAVED assumes a cache that is warm, and takes ${percent} off each download (--saving; 80 % is what KServe's sample with Fluid published: 265.3 s became 50.1 s). A new model's first start waits for the warm-up instead.`
}

function total(services: ServiceReport[]): ServiceReport {
  const add = (field: Exclude<keyof ServiceReport, 'namespace' | 'service' | 'kind'>) =>
    sum(services.map((each) => each[field]))
  return {
    namespace: '',
    service: 'all',
    kind: '',
    pods: add('pods'),
    scaleOuts: add('scaleOuts'),
    downloads: add('downloads'),
    restarts: add('restarts'),
    running: add('running'),
    downloadSeconds: add('downloadSeconds'),
    longestSeconds: Math.max(0, ...services.map(({ longestSeconds }) => longestSeconds)),
    startSeconds: add('startSeconds'),
    gpuSeconds: add('gpuSeconds'),
    savedSeconds: add('savedSeconds'),
    savedGpuSeconds: add('savedGpuSeconds'),
  }
}

const time = (seconds: number) => formatDuration(seconds * 1_000)

const columns: Column<ServiceReport>[] = [
  ['NAMESPACE', ({ namespace }) => namespace],
  ['SERVICE', ({ service }) => service],
  ['PODS', ({ pods }) => String(pods)],
  ['SCALE-OUTS', ({ scaleOuts }) => String(scaleOuts)],
  ['DOWNLOADS', ({ downloads }) => String(downloads)],
  ['RESTARTS', ({ restarts }) => String(restarts)],
  ['RUNNING', ({ running }) => String(running)],
  ['DOWNLOADING', ({ downloadSeconds }) => time(downloadSeconds)],
  ['LONGEST', ({ longestSeconds }) => time(longestSeconds)],
  ['OF START', ({ downloadSeconds, startSeconds: started }) => share(downloadSeconds, started)],
  ['GPU TIME', ({ gpuSeconds }) => time(gpuSeconds)],
  ['SAVED', ({ savedSeconds }) => time(savedSeconds)],
  ['GPU TIME SAVED', ({ savedGpuSeconds }) => time(savedGpuSeconds)],
]

function share(seconds: number, of: number): string {
  return of > 0 ? `${Math.min(100, Math.round((100 * seconds) / of))} %` : '-'
}
