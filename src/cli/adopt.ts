import { adoptService, isReady, pendingRollout } from '../cluster/adoption.ts'
import type { KubeClient } from '../kube/client.ts'
import { isOptedOut } from '../plan/facts.ts'
import { readOriginal } from '../plan/service/original.ts'
import {
  describeObject,
  isNamed,
  listServices,
  reasonOf,
  type Scope,
  waitedFor,
  withSelected,
} from '../restore/context.ts'
import type { Clock } from '../values/clock.ts'
import { formatDuration } from '../values/duration.ts'
import { accelerationAnnotation } from '../values/keys.ts'
import { defined, type KubeObject } from '../values/object.ts'
import { printable } from '../values/text.ts'
import { hunks, toText, withShortRecord } from './plan.ts'
import { type Printing, type Say, sayTo } from './terminal.ts'

export interface AdoptOptions {
  client: KubeClient
  clock: Clock
  signal: AbortSignal
  scope: Scope
  selector?: string | undefined
  /** Apply, instead of only printing. */
  yes: boolean
  output: 'text' | 'diff'
  /** How many services may roll their pods at a time. */
  parallel: number
  timeoutMs: number
}

type PlannedAdoption = { service: KubeObject } & (
  | { kind: 'adopt'; after: KubeObject }
  | { kind: 'stay'; why: string }
  /** The dry run failed, and nothing is changed. */
  | { kind: 'failed'; why: string }
)

/**
 * `warmgate adopt`: accelerates existing services, created before their namespace opted in or a policy
 * matched. It prints the result of a dry run for each; with `yes` it applies them, a few at a time, waits for
 * the pods of each, and stops at the first that does not become Ready. Accelerated services are skipped, so
 * that it can run again. Resolves with the exit status.
 */
export async function runAdopt(options: AdoptOptions, printing: Printing): Promise<0 | 1> {
  const { yes } = options
  const scope = await withSelected(options, options.selector)
  const say = sayTo(printing)
  const found = (await listServices(options)).map(({ object }) => object)
  const missing = scope.services.filter((name) => !found.some(({ metadata }) => metadata.name === name))
  for (const name of missing) say(`there is no service ${scope.namespace ?? ''}/${name}`)
  if (missing.length > 0) return 1
  const named = found.filter(({ metadata }) => isNamed(scope, metadata))
  const old = named.filter((service) => readOriginal(service) === undefined)
  if (old.length < named.length) say(`accelerated already: ${named.length - old.length}`)
  const planned: PlannedAdoption[] = []
  for (const service of old) planned.push(await planAdoption(options.client, service))
  for (const each of planned) printing.stdout.write(describe(each, options.output))
  const todo = planned.flatMap((each) => (each.kind === 'adopt' ? [each.service] : []))
  if (todo.length === 0) say('nothing to adopt')
  else if (!yes) say(`to adopt: ${todo.length}; run again with --yes: each service rolls its pods once`)
  const isPlanned = planned.every(({ kind }) => kind !== 'failed')
  const adopted = yes ? await adoptAll(todo, options, say) : 0
  return isPlanned ? adopted : 1
}

/** Plans one adoption. A failure does not stop the others. */
async function planAdoption(client: KubeClient, service: KubeObject): Promise<PlannedAdoption> {
  try {
    return await requestAdoption(client, service)
  } catch (error) {
    return { kind: 'failed', service, why: reasonOf(error) }
  }
}

async function requestAdoption(client: KubeClient, service: KubeObject): Promise<PlannedAdoption> {
  const { annotations, deletionTimestamp } = service.metadata
  const stay = (why: string) => ({ kind: 'stay' as const, service, why })
  if (deletionTimestamp !== undefined) return stay('it is being deleted')
  if (isOptedOut(annotations)) return stay('it opts out')
  // Skip it, because its recovery could not be observed if it is not Ready before.
  if (!isReady(service)) return stay('it is not Ready now')
  const answer = await adoptService(client, service, { dryRun: true })
  return answer.kind === 'adopted' ? { kind: 'adopt', service, after: answer.service } : stay(answer.why)
}

function describe(planned: PlannedAdoption, format: AdoptOptions['output']): string {
  const name = describeObject(planned.service)
  if (planned.kind === 'failed') return `FAILED ${printable(`${name}: ${planned.why}`)}\n`
  if (planned.kind === 'stay') return `stays  ${printable(`${name}: ${planned.why}`)}\n`
  const locations = Object.values(readOriginal(planned.after)?.locations ?? {})
  const served = locations.map(({ uri, cache }) => `${uri} from cache ${cache}`).join(', ')
  const [before, after] = [planned.service, planned.after].map((object) =>
    toText(withShortRecord(withoutServerFields(object))),
  )
  const diff = format === 'diff' ? hunks(name.replace(' ', '/'), before ?? '', after ?? '') : ''
  return `adopt  ${printable(`${name}: ${served}`)}\n${diff}`
}

/** Without the fields that every write changes. */
function withoutServerFields({ apiVersion, kind, metadata, spec = {} }: KubeObject): KubeObject {
  const { name = '', namespace = '', labels, annotations } = metadata
  return { apiVersion, kind, metadata: { name, namespace, ...defined({ labels, annotations }) }, spec }
}

async function adoptAll(services: KubeObject[], options: AdoptOptions, say: Say): Promise<0 | 1> {
  const todo = [...services]
  let hasFailed = false
  const work = async () => {
    while (!hasFailed && !options.signal.aborted) {
      const next = todo.shift()
      if (next === undefined) return
      const problem = await adoptOne(next, options, say).catch(reasonOf)
      if (problem === undefined) continue
      hasFailed = true
      say(`FAILED ${describeObject(next)}: ${problem}`)
    }
  }
  await Promise.all(Array.from({ length: options.parallel }, work))
  const isOver = !hasFailed && !options.signal.aborted
  if (!isOver) say(`stopped; not started: ${todo.length}; run it again to continue`)
  return isOver ? 0 : 1
}

/** Adopts one service. Resolves with the problem; undefined if it succeeds. */
async function adoptOne(service: KubeObject, options: AdoptOptions, say: Say): Promise<string | undefined> {
  const { client, clock, timeoutMs } = options
  const startedMs = clock.now()
  const answer = await adoptService(client, service, { dryRun: false })
  if (answer.kind === 'left') return answer.why
  say(`adopting ${describeObject(service)}`)
  const pending = await waitedFor(options, () => pendingRollout(client, answer.service))
  if (pending === undefined) {
    say(`adopted ${describeObject(service)} in ${formatDuration(clock.now() - startedMs)}`)
    return undefined
  }
  if (options.signal.aborted) return `not waited for: ${pending}`
  return `${pending} after ${formatDuration(timeoutMs)}; warmgate restore, or the annotation ${accelerationAnnotation}: disabled, reverts it`
}
