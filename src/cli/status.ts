import { runtimeResources } from '../cluster/runtimes.ts'
import { Speeds } from '../cluster/speeds.ts'
import type { CacheStatus, StatusObjects } from '../cluster/status.ts'
import { fillJobSelector } from '../fill/job.ts'
import { loadJobSelector } from '../fluid/job.ts'
import { cachePodSelector } from '../fluid/suspension.ts'
import { llmSelector, serviceLabel } from '../kserve/pod.ts'
import type { KubeClient } from '../kube/client.ts'
import { listInstalled } from '../kube/list.ts'
import { llmInferenceService, type Resource, resources } from '../kube/resources.ts'
import { type Clock, pause } from '../values/clock.ts'
import { resolveAll } from '../values/concurrency.ts'
import type { KubeObject } from '../values/object.ts'
import { printable } from '../values/text.ts'
import { type Overview, overviewOf } from './status/overview.ts'
import {
  plainLines,
  type StatusFormat,
  screenText,
  serviceText,
  statusJson,
  statusLines,
} from './status/render.ts'
import type { Output } from './terminal.ts'

export interface StatusOptions {
  client: KubeClient
  clock: Clock
  /** Undefined for all. */
  namespace: string | undefined
  /** One service by its name; without it all. */
  service?: string | undefined
  selector?: string | undefined
  output: StatusFormat
  /** Look again and again until the signal aborts. */
  watch: boolean
  signal: AbortSignal
}

const againMs = 2_000

/**
 * `warmgate status`: services, how far their caches are, and the pods that wait for them. Resolves with the exit
 * status: 1 if the service that was named does not exist, or uses no cache.
 */
export async function runStatus(options: StatusOptions, { stdout }: { stdout: Output }): Promise<0 | 1> {
  const look = looker(options)
  if (options.watch) return await (isLive(options, stdout) ? showLive : follow)(options, stdout, look)
  const overview = await look()
  stdout.write(render(overview, options))
  return isMissing(overview, options) ? 1 : 0
}

type Look = () => Promise<Overview>

function looker(options: StatusOptions): Look {
  const { clock, service, selector } = options
  const speeds = new Speeds(clock)
  /** Adds the remaining time of warm-ups, once two observations give their speed. */
  const estimated = (cache: CacheStatus): CacheStatus => {
    speeds.observe(cache, cache.phase)
    return { ...cache, phase: speeds.estimate(cache, cache.phase) }
  }
  return async () => {
    const overview = overviewOf(await readStatus(options), clock.now(), estimated)
    const isChosen = service !== undefined || selector !== undefined
    const services = overview.services.filter(({ name }) => service === undefined || name === service)
    return isChosen ? { services, others: [], plain: selector === undefined ? 0 : overview.plain } : overview
  }
}

function isMissing({ services }: Overview, { service }: StatusOptions): boolean {
  return service !== undefined && services.length === 0
}

function render(overview: Overview, options: StatusOptions): string {
  const { output } = options
  if (output === 'json') return statusJson(overview, 2)
  return `${linesOf(overview, options).join('\n')}\n`
}

function linesOf(overview: Overview, options: StatusOptions): string[] {
  const { service, namespace = '', output } = options
  if (isMissing(overview, options))
    return [
      printable(
        `${namespace}/${service} does not exist, or uses no cache: its Events, or warmgate plan, say why`,
      ),
    ]
  if (service !== undefined && output !== 'wide')
    return overview.services.map(serviceText).join('\n').trimEnd().split('\n')
  return statusLines(overview, output === 'wide' ? 'wide' : 'table')
}

function isLive({ output }: StatusOptions, stdout: Output): boolean {
  return stdout.isTTY === true && output !== 'json'
}

/** A pipe: what changed, a line each, with the time. As JSON: the whole, whenever it changed. */
async function follow(options: StatusOptions, stdout: Output, look: Look): Promise<0> {
  const { clock, signal, output } = options
  let before = new Map<string, string>()
  while (!signal.aborted) {
    const overview = await look()
    const now = output === 'json' ? new Map([['', statusJson(overview).trimEnd()]]) : plainLines(overview)
    const time = output === 'json' ? '' : `${timeOf(clock)} `
    for (const line of changesOf(before, now)) stdout.write(`${time}${line}\n`)
    before = now
    await pause(clock, againMs, signal)
  }
  return 0
}

function changesOf(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] {
  const changed = [...now].filter(([id, line]) => before.get(id) !== line).map(([, line]) => line)
  const gone = [...before.keys()].filter((id) => !now.has(id)).map((id) => `${printable(id)}: gone`)
  return [...changed, ...gone]
}

function timeOf(clock: Clock): string {
  return new Date(clock.now()).toISOString().slice(11, 19)
}

// The screen of its own that pagers use, and the cursor.
const [enter, leave] = ['\x1b[?1049h\x1b[?25l', '\x1b[?25h\x1b[?1049l']
const redraw = '\x1b[H\x1b[2J'

const outdated = 'not up to date:'

function title({ namespace, clock }: StatusOptions): string {
  return `warmgate status  ${printable(namespace ?? 'all namespaces')}  ${timeOf(clock)} UTC  (Ctrl-C ends)`
}

/** A terminal: the whole, drawn again every two seconds and whenever the terminal is resized. */
async function showLive(options: StatusOptions, stdout: Output, look: Look): Promise<0> {
  const { clock, signal } = options
  let lines: string[] = []
  /** A call that fails ends the view only if it is the first. */
  const linesNow = async (before: string[]): Promise<string[]> => {
    try {
      return linesOf(await look(), options)
    } catch (error) {
      if (before.length === 0 || signal.aborted) throw error
      const [last = ''] = before
      const again = last.startsWith(outdated) ? before.slice(1) : before
      return [`${outdated} ${printable(error instanceof Error ? error.message : String(error))}`, ...again]
    }
  }
  const draw = () => {
    const { columns = 80, rows = 24 } = stdout
    stdout.write(`${redraw}${screenText(lines, { columns, rows })}`)
  }
  stdout.on?.('resize', draw)
  stdout.write(enter)
  try {
    while (!signal.aborted) {
      lines = [title(options), '', ...(await linesNow(lines.slice(2)))]
      draw()
      await pause(clock, againMs, signal)
    }
  } finally {
    stdout.off?.('resize', draw)
    stdout.write(leave)
  }
  // The screen is gone, so its last state is printed.
  stdout.write(`${lines.slice(2).join('\n')}\n`)
  return 0
}

/** Lists everything that a status is computed from. */
export async function readStatus({
  client,
  namespace,
  selector,
  signal,
}: Pick<StatusOptions, 'client' | 'namespace' | 'selector' | 'signal'>): Promise<StatusObjects> {
  const list = (resource: Resource, labelSelector?: string) =>
    listInstalled(client, resource, { namespace, labelSelector, signal })
  const all = async (...lists: Promise<KubeObject[]>[]) => (await Promise.all(lists)).flat()
  return await resolveAll({
    // Use the oldest version, because every KServe with this kind serves it.
    services: all(
      list(resources.inferenceService, selector),
      list(llmInferenceService('v1alpha1'), selector),
    ),
    datasets: list(resources.dataset),
    runtimes: all(...Object.values(runtimeResources).map((resource) => list(resource))),
    dataLoads: list(resources.dataLoad),
    loadJobs: list(resources.job, loadJobSelector),
    fillJobs: list(resources.job, fillJobSelector),
    fillPods: list(resources.pod, fillJobSelector),
    gatedPods: list(resources.pod, cachePodSelector),
    pods: all(list(resources.pod, serviceLabel), list(resources.pod, llmSelector)),
  })
}
