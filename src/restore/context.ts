import { runtimeResources } from '../cluster/runtimes.ts'
import { servedLlmVersion } from '../cluster/services.ts'
import { isOurs } from '../fluid/dataset.ts'
import { datasetOf } from '../fluid/load.ts'
import { podSelectors } from '../kserve/pod.ts'
import type { KubeClient } from '../kube/client.ts'
import type { EventNote } from '../kube/events.ts'
import { listInstalled } from '../kube/list.ts'
import { llmInferenceService, type Resource, resources } from '../kube/resources.ts'
import { type Clock, pause } from '../values/clock.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey } from '../values/object.ts'
import { printable } from '../values/text.ts'

/** The services to restore: all, those in a namespace, or services by name. */
export interface Scope {
  namespace: string | undefined
  /** Empty for all. */
  services: readonly string[]
  /** The `namespace/name` of the services that a label selector selects; without it all are. */
  selected?: ReadonlySet<string>
}

/** The dependencies of a restore. */
export interface RestoreContext {
  client: KubeClient
  clock: Clock
  /** Writes an Event if that is allowed. */
  record: (event: EventNote) => Promise<void>
  /** Ends all waiting when it aborts. */
  signal: AbortSignal
  scope: Scope
  /** Report what would be done, and change nothing. */
  dryRun: boolean
  /** How long to wait for the pods of one service, and for one cache. */
  timeoutMs: number
  report: RestoreReport
}

/** Prints each action as a line, and counts failures. */
export class RestoreReport {
  readonly #write: (line: string) => void
  readonly #prefix: string
  failures = 0
  lines = 0

  /** @param prefix precedes each action, e.g. to mark a dry run */
  constructor(write: (text: string) => unknown, prefix = '') {
    this.#prefix = prefix
    this.#write = (line) => {
      this.lines += 1
      write(`${printable(line)}\n`)
    }
  }

  say(line: string): void {
    this.#write(`${this.#prefix}${line}`)
  }

  fail(what: string, why: string): void {
    this.failures += 1
    this.#write(`FAILED ${what}: ${why}`)
  }
}

/** An object and its API resource. */
export interface Located {
  resource: Resource
  object: KubeObject
}

/** The objects of one cache. The Dataset comes first if it exists. */
export interface LocatedCache {
  key: ObjectKey
  objects: Located[]
}

/** Lists InferenceServices and LLMInferenceServices. */
export async function listServices(
  { client, scope }: Pick<RestoreContext, 'client' | 'scope'>,
  labelSelector?: string,
): Promise<Located[]> {
  const kinds = [resources.inferenceService, llmInferenceService(await servedLlmVersion(client))]
  return await listAll(client, kinds, scope, labelSelector)
}

/** Lists the pods that KServe created. */
export async function listPods(
  { client }: RestoreContext,
  namespace: string | undefined,
): Promise<KubeObject[]> {
  const lists = podSelectors.map((labelSelector) =>
    listInstalled(client, resources.pod, { namespace, labelSelector }),
  )
  return (await Promise.all(lists)).flat()
}

/** Lists the Fluid objects that Warmgate created, grouped by cache. */
export async function listCaches({ client, scope }: RestoreContext): Promise<LocatedCache[]> {
  const kinds = [resources.dataset, resources.dataLoad, ...Object.values(runtimeResources)]
  const caches = new Map<string, LocatedCache>()
  for (const located of await listAll(client, kinds, scope)) {
    if (!isOurs(located.object)) continue
    const { object } = located
    const key = object.kind === 'DataLoad' ? datasetOf(object) : keyOf(object)
    const cache = caches.get(keyText(key)) ?? { key, objects: [] }
    cache.objects.push(located)
    caches.set(keyText(key), cache)
  }
  return [...caches.values()]
}

async function listAll(
  client: KubeClient,
  kinds: Resource[],
  { namespace }: Scope,
  labelSelector?: string,
): Promise<Located[]> {
  const lists = kinds.map(async (resource) => {
    const objects = await listInstalled(client, resource, { namespace, labelSelector })
    return objects.map((object) => ({ resource, object }))
  })
  return (await Promise.all(lists)).flat()
}

/** Whether a service is in the scope. */
export function isNamed(
  { services, selected }: Scope,
  { namespace, name }: { namespace?: string; name?: string | undefined },
): boolean {
  const isListed = services.length === 0 || (name !== undefined && services.includes(name))
  return isListed && (selected === undefined || selected.has(`${namespace}/${name}`))
}

/** Adds the services that a label selector selects. */
export async function withSelected(
  { client, scope }: Pick<RestoreContext, 'client' | 'scope'>,
  labelSelector: string | undefined,
): Promise<Scope> {
  if (labelSelector === undefined) return scope
  const found = await listServices({ client, scope }, labelSelector)
  return { ...scope, selected: new Set(found.map(({ object }) => keyText(keyOf(object)))) }
}

const pollMs = 1_000

export interface Waiting extends Pick<RestoreContext, 'clock' | 'signal' | 'timeoutMs'> {
  /** Called with each new pending reason if the wait takes longer than `patienceMs`. */
  say?: (pending: string) => void
  patienceMs?: number
}

/**
 * Polls until nothing is pending. Resolves with the pending reason at the timeout, or if the signal aborts.
 */
export async function waitedFor(
  { clock, signal, timeoutMs, say = () => {}, patienceMs = 10_000 }: Waiting,
  check: () => Promise<string | undefined>,
): Promise<string | undefined> {
  const startMs = clock.now()
  let reported: string | undefined
  for (;;) {
    const pending = await check()
    const waitedMs = clock.now() - startMs
    if (pending === undefined || signal.aborted || waitedMs >= timeoutMs) return pending
    if (waitedMs >= patienceMs && pending !== reported) {
      say(pending)
      reported = pending
    }
    await pause(clock, pollMs, signal)
  }
}

export function describeObject({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name ?? ''}`
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
