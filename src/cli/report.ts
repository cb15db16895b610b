import { acceleratorCount } from '../kserve/devices.ts'
import { isStorageInitializer } from '../kserve/download.ts'
import { servesModel, serviceOfPod } from '../kserve/pod.ts'
import { conditionOf, isTrue } from '../values/condition.ts'
import { formatDuration } from '../values/duration.ts'
import { getIn, isObject, type Json, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { printable, printableLines } from '../values/text.ts'
import { table } from './table.ts'

export const reportFormats = ['table', 'json', 'csv'] as const
export type ReportFormat = (typeof reportFormats)[number]

/**
 * What a warm cache takes off a download, where nobody says otherwise: KServe's own sample with Fluid started
 * Llama 3.1 8B in 50.1 s instead of 265.3 s (docs/samples/fluid), which is 81 %.
 */
export const publishedSaving = 0.8

/** What the pods of one service spent on downloading its model. Times in seconds. */
export interface ServiceReport {
  namespace: string
  service: string
  kind: string
  pods: number
  /** Pods beyond the first of their template: each of them downloaded what another one had already. */
  scaleOuts: number
  /** How many downloads came to an end, how often one had to begin again, and how many go on. */
  downloads: number
  restarts: number
  running: number
  /** Of downloads that came to an end, and of the last one that failed before. */
  downloadSeconds: number
  /** Of those that came to an end. */
  longestSeconds: number
  /** Of the pods that became ready: from their creation until then. */
  startSeconds: number
  gpuSeconds: number
  savedSeconds: number
  savedGpuSeconds: number
}

/** Reads downloads off the statuses of pods, service by service; those that spent the most come first. */
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

/** A pod's downloads: what each took, in seconds. */
interface Downloads {
  finished: number[]
  failed: number[]
  restarts: number
  running: number
}

const spent = ({ finished, failed }: Downloads) => sum([...finished, ...failed])

/** Several for a service with several URIs; none of the init containers of others. */
function initializersOf(pod: KubeObject): Json[] {
  return listAt(pod, 'status', 'initContainerStatuses').filter((status) => isStorageInitializer(status))
}

/** Of the downloads that failed, a status tells the times of the last, and of those before it the number alone. */
function downloadsOf(pod: KubeObject): Downloads {
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

/** A pod holds its GPUs from the moment it is placed, whether its containers run or not. A claim counts as one. */
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

function sum(numbers: number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

export interface Report {
  services: ServiceReport[]
  saving: number
}

/** The report as text; the assumption is stated in each form of it that people read. */
export const renderReport: Record<ReportFormat, (report: Report) => string> = {
  json: ({ services, saving }) => {
    const report = { assumption: { saving, says: assumption(saving) }, services, total: total(services) }
    return printableLines(`${JSON.stringify(report, null, 2)}\n`)
  },
  csv: ({ services }) => {
    const columns = Object.keys(total([])) as (keyof ServiceReport)[]
    const lines = services.map((service) => columns.map((column) => csvCell(service[column])).join(','))
    return `${[columns.join(','), ...lines].join('\n')}\n`
  },
  table: ({ services, saving }) => {
    const rows = [...services, ...(services.length > 1 ? [total(services)] : [])].map(row)
    const text =
      services.length === 0 ? 'no pod of a service is there\n' : `${table([heading, ...rows]).join('\n')}\n`
    return `${text}\n${assumption(saving)}\nOnly pods that exist now are counted: what deleted ones spent is not known any more.\n`
  },
}

/** A spreadsheet takes what begins with one of these for a formula. */
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

const heading = [
  'NAMESPACE',
  'SERVICE',
  'PODS',
  'SCALE-OUTS',
  'DOWNLOADS',
  'RESTARTS',
  'RUNNING',
  'DOWNLOADING',
  'LONGEST',
  'OF START',
  'GPU TIME',
  'SAVED',
  'GPU TIME SAVED',
]

function row(report: ServiceReport): string[] {
  const time = (seconds: number) => formatDuration(seconds * 1_000)
  const { downloadSeconds, startSeconds: started } = report
  const share = started > 0 ? `${Math.min(100, Math.round((100 * downloadSeconds) / started))} %` : '-'
  return [
    printable(report.namespace),
    printable(report.service),
    String(report.pods),
    String(report.scaleOuts),
    String(report.downloads),
    String(report.restarts),
    String(report.running),
    time(downloadSeconds),
    time(report.longestSeconds),
    share,
    time(report.gpuSeconds),
    time(report.savedSeconds),
    time(report.savedGpuSeconds),
  ]
}
