import { acceleratorCount } from '../kserve/devices.ts'
import { formatDuration } from '../values/duration.ts'
import { type Json, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'

export const reportFormats = ['table', 'json', 'csv'] as const
export type ReportFormat = (typeof reportFormats)[number]

/**
 * What a warm cache takes off a download, where nobody says otherwise: KServe's own sample with Fluid started
 * Llama 3.1 8B in 50.1 s instead of 265.3 s (docs/samples/fluid), which is 81 %.
 */
export const publishedSaving = 0.8

/** By which labels a pod says which service it is of. */
export const podSelectors = [
  'serving.kserve.io/inferenceservice',
  'app.kubernetes.io/part-of=llminferenceservice',
]

/** What the pods of one service spent on downloading its model. Times in seconds. */
export interface ServiceReport {
  namespace: string
  service: string
  pods: number
  /** Pods beyond the first of their template: each of them downloaded what another one had already. */
  scaleOuts: number
  /** How many downloads came to an end, and how often one had to begin again. */
  downloads: number
  restarts: number
  downloadSeconds: number
  longestSeconds: number
  /** Of the pods that became ready: from their creation until then. */
  startSeconds: number
  gpuSeconds: number
  savedSeconds: number
  savedGpuSeconds: number
}

/** Reads downloads off the statuses of pods, service by service; those that spent the most come first. */
export function reportDownloads(pods: KubeObject[], saving: number): ServiceReport[] {
  const services = Map.groupBy(pods.filter(serviceOf), (pod) => `${pod.metadata.namespace}/${serviceOf(pod)}`)
  return [...services.values()]
    .map((group) => reportService(group, saving))
    .toSorted((a, b) => b.downloadSeconds - a.downloadSeconds || order(a).localeCompare(order(b)))
}

const order = ({ namespace, service }: ServiceReport) => `${namespace}/${service}`

function serviceOf({ metadata: { labels = {} } }: KubeObject): string | undefined {
  const ofLlm =
    labels['app.kubernetes.io/part-of'] === 'llminferenceservice'
      ? labels['app.kubernetes.io/name']
      : undefined
  return labels['serving.kserve.io/inferenceservice'] ?? ofLlm
}

function reportService(pods: KubeObject[], saving: number): ServiceReport {
  const [first] = pods
  const found = pods.map((pod) => ({ gpus: gpusOf(pod), ...downloadsOf(pod) }))
  const seconds = found.flatMap(({ finished }) => finished)
  const gpuSeconds = sum(found.map(({ gpus, finished }) => gpus * sum(finished)))
  const templates = new Set(
    pods.map(({ metadata }) => metadata.labels?.['pod-template-hash'] ?? metadata.name),
  )
  return {
    namespace: first?.metadata.namespace ?? 'default',
    service: (first && serviceOf(first)) ?? '',
    pods: pods.length,
    scaleOuts: pods.length - templates.size,
    downloads: seconds.length,
    restarts: sum(found.map(({ restarts }) => restarts)),
    downloadSeconds: sum(seconds),
    longestSeconds: Math.max(0, ...seconds),
    startSeconds: sum(pods.map(startSeconds)),
    gpuSeconds,
    savedSeconds: Math.round(sum(seconds) * saving),
    savedGpuSeconds: Math.round(gpuSeconds * saving),
  }
}

/** A download that failed before the last one is known by its number alone. */
function downloadsOf(pod: KubeObject): { finished: number[]; restarts: number } {
  const initializers = listAt(pod, 'status', 'initContainerStatuses').filter((status) =>
    stringAt(status, 'name')?.startsWith('storage-initializer'),
  )
  const ends = initializers.flatMap((status) => {
    const ended = objectAt(status, 'state', 'terminated')
    return ended.exitCode === 0 ? [between(ended.startedAt, ended.finishedAt)] : []
  })
  return {
    finished: ends.filter((seconds) => seconds !== undefined),
    restarts: sum(initializers.map((status) => Number(objectAt(status).restartCount ?? 0))),
  }
}

/** A pod holds its GPUs from the moment it is placed, whether its containers run or not. */
function gpusOf(pod: KubeObject): number {
  return sum(
    listAt(pod, 'spec', 'containers').map((container) =>
      acceleratorCount(objectAt(container, 'resources', 'limits')),
    ),
  )
}

function startSeconds(pod: KubeObject): number {
  const ready = listAt(pod, 'status', 'conditions').find((each) => stringAt(each, 'type') === 'Ready')
  if (stringAt(ready, 'status') !== 'True') return 0
  return between(pod.metadata.creationTimestamp, objectAt(ready).lastTransitionTime) ?? 0
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
    return `${JSON.stringify(report, null, 2)}\n`
  },
  csv: ({ services }) => {
    const columns = Object.keys(total([])) as (keyof ServiceReport)[]
    const lines = services.map((service) => columns.map((column) => service[column]).join(','))
    return `${[columns.join(','), ...lines].join('\n')}\n`
  },
  table: ({ services, saving }) => {
    const rows = [...services, ...(services.length > 1 ? [total(services)] : [])].map(row)
    const text = services.length === 0 ? 'no pod of a service is there\n' : table([heading, ...rows])
    return `${text}\n${assumption(saving)}\nOnly pods that exist now are counted: what deleted ones spent is not known any more.\n`
  },
}

function assumption(saving: number): string {
  const percent = `${Math.round(saving * 100)} %`
  return `SAVED assumes a cache that is warm, and takes ${percent} off each download (--saving; 80 % is what KServe's sample with Fluid published: 265.3 s became 50.1 s). A new model's first start waits for the warm-up instead.`
}

function total(services: ServiceReport[]): ServiceReport {
  const add = (field: Exclude<keyof ServiceReport, 'namespace' | 'service'>) =>
    sum(services.map((each) => each[field]))
  return {
    namespace: '',
    service: 'all',
    pods: add('pods'),
    scaleOuts: add('scaleOuts'),
    downloads: add('downloads'),
    restarts: add('restarts'),
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
    report.namespace,
    report.service,
    String(report.pods),
    String(report.scaleOuts),
    String(report.downloads),
    String(report.restarts),
    time(downloadSeconds),
    time(report.longestSeconds),
    share,
    time(report.gpuSeconds),
    time(report.savedSeconds),
    time(report.savedGpuSeconds),
  ]
}

function table(rows: string[][]): string {
  const widths = heading.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: string[]) => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
  return `${rows.map((cells) => line(cells).trimEnd()).join('\n')}\n`
}
