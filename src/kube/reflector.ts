import type { Logger } from '../telemetry/logger.ts'
import { type Clock, pause } from '../values/clock.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey } from '../values/object.ts'
import type { KubeClient, ListOptions, WatchEvent } from './client.ts'
import { hasStatus } from './errors.ts'
import type { Interner } from './interner.ts'
import { ReflectorBackoff } from './reflector-backoff.ts'
import type { Resource } from './resources.ts'
import { isSameButVersion, sharing } from './sharing.ts'
import { type IndexFunction, Store } from './store.ts'

export interface ReflectorOptions {
  client: KubeClient
  resource: Resource
  clock: Clock
  logger: Logger
  select?: ListOptions
  /**
   * Drops what is not needed, to save memory; undefined drops the object, as if it were not there. Where its
   * outcome changes for other reasons than the object, call `relist`.
   */
  reduce?: (object: KubeObject) => KubeObject | undefined
  /** Shares equal parts of objects, of this resource and of others that are given the same one. */
  interner?: Interner
  /** From 0 up to 1; spreads many replicas' watches over time. */
  random?: () => number
}

export type Change =
  | { type: 'added'; object: KubeObject }
  | { type: 'updated'; object: KubeObject; before: KubeObject }
  | { type: 'deleted'; object: KubeObject }

const watchSeconds = 240
// The server sends a bookmark every minute. If nothing arrives for this long, the connection is dead.
const stallMs = 150_000
// List again at least this often, once the current watch has ended, in case a watch loses a change without an
// error.
const relistMs = 10 * 60_000

// Bounds the lists that tenants can cause by changing labels of their namespaces.
const relistSpacingMs = 2_000

// How often it is logged that the server still forbids a list or watch.
const forbiddenLogMs = 10 * 60_000

/** A call that the API server forbids (403), and since when, in milliseconds since 1970. */
export interface Forbidden {
  verb: 'list' | 'watch'
  sinceMs: number
}

class Stale extends Error {}

/**
 * A local copy of a resource that never stops following the server: it lists, then watches, and starts again
 * after any error, with growing delays. client-node's informer ends permanently at the first error other than
 * 410.
 *
 * Invariant: between `synced` and `stop`, the copy is a past state of the server, and every later state
 * arrives, including deletions between a list and a watch. A change that no watch reports is found within 15
 * minutes.
 */
export class Reflector {
  /** Resolves after the first list. A resource that the server does not have yet keeps it waiting. */
  readonly synced: Promise<void>
  /** When the server last sent something, in milliseconds since 1970; 0 for never. */
  lastHeardMs = 0
  state: 'starting' | 'synced' | 'unavailable' = 'starting'
  /**
   * Undefined while the server forbids nothing. It is asked again all the same: rights may be granted at any
   * time.
   */
  forbidden: Forbidden | undefined

  readonly #options: Required<Pick<ReflectorOptions, 'random'>> & ReflectorOptions
  readonly #objects = new Store()
  readonly #listeners: ((change: Change) => void)[] = []
  readonly #stopping = new AbortController()
  readonly #markSynced: () => void
  #resourceVersion: string | undefined
  #listedMs = 0
  #verb: Forbidden['verb'] = 'list'
  #forbiddenLoggedMs = Number.NEGATIVE_INFINITY
  #isRelistWanted = false
  #isInterrupted = false
  #cancelRelist: (() => void) | undefined
  /** Ends the current watch; undefined if there is none. */
  #interrupt: AbortController | undefined
  #running: Promise<void> | undefined

  constructor(options: ReflectorOptions) {
    this.#options = { random: Math.random, ...options }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.synced = promise
    this.#markSynced = resolve
  }

  get(key: ObjectKey): KubeObject | undefined {
    return this.#objects.get(key)
  }

  list(namespace?: string): KubeObject[] {
    return this.#objects.list(namespace)
  }

  /** The objects that an index function gives this value; reads no other object. */
  by(index: IndexFunction, value: string): KubeObject[] {
    return this.#objects.by(index, value)
  }

  /**
   * Called after the copy has changed. A listener that throws is logged; the others are still called.
   */
  onChange(listener: (change: Change) => void): void {
    this.#listeners.push(listener)
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /**
   * Lists again soon, for a `reduce` that now keeps other fields. Several calls may cause one list. Lists are
   * a few seconds apart at least.
   */
  relist(): void {
    const { clock } = this.#options
    this.#isRelistWanted = true
    if (this.#cancelRelist !== undefined || this.#interrupt === undefined) return
    const waitMs = Math.max(this.#listedMs + relistSpacingMs - clock.now(), 0)
    this.#cancelRelist = clock.setTimer(() => {
      this.#isInterrupted = true
      this.#interrupt?.abort()
    }, waitMs)
  }

  /** Final: nothing is asked of the server afterwards. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#stopping
    const backoff = new ReflectorBackoff()
    while (!signal.aborted) {
      const startedMs = clock.now()
      const error = await this.#once().catch((failure: unknown) => failure)
      if (signal.aborted) return
      const end = { error, verb: this.#verb, lastedMs: clock.now() - startedMs }
      const longestMs = backoff.after(end)
      if (error === undefined) this.forbidden = undefined
      else this.#report(error, backoff.failures)
      if (error === undefined && this.#isInterrupted) {
        this.#isInterrupted = false
        continue
      }
      await pause(clock, longestMs * (0.5 + 0.5 * this.#options.random()), signal)
    }
  }

  #report(error: unknown, failures: number): void {
    const { logger, resource } = this.#options
    if (error instanceof Stale || hasStatus(error, 410)) return
    // It stays so while the server is away: a replica must be ready when the server is back.
    if (this.state === 'starting' && hasStatus(error, 404)) this.state = 'unavailable'
    if (hasStatus(error, 403)) {
      this.#reportForbidden(error)
      return
    }
    this.forbidden = undefined
    // Once is enough for a resource that is not installed, or a server that is away.
    if (failures === 1)
      logger.warn({ resource: resource.plural, err: error }, 'cannot watch a resource; trying again')
  }

  #reportForbidden(error: unknown): void {
    const { clock, logger, resource } = this.#options
    const [nowMs, verb] = [clock.now(), this.#verb]
    if (this.forbidden === undefined) this.#forbiddenLoggedMs = Number.NEGATIVE_INFINITY
    this.forbidden = { verb, sinceMs: this.forbidden?.sinceMs ?? nowMs }
    if (nowMs - this.#forbiddenLoggedMs < forbiddenLogMs) return
    this.#forbiddenLoggedMs = nowMs
    logger.error(
      { code: 'WG033', resource: resource.plural, verb, err: error },
      'the API server forbids to watch a resource; trying again',
    )
  }

  /** One list, if one is needed, and one watch until it ends. */
  async #once(): Promise<void> {
    const isDue = this.#options.clock.now() - this.#listedMs >= relistMs
    if (this.#resourceVersion === undefined || isDue || this.#isRelistWanted) await this.#relist()
    if (this.#stopping.signal.aborted) return
    try {
      await this.#follow(this.#resourceVersion ?? '')
    } catch (error) {
      // Whatever went wrong, the version may be why.
      this.#resourceVersion = undefined
      throw error
    }
  }

  async #relist(): Promise<void> {
    const { client, resource, select } = this.#options
    // Whatever changes from here on may be too late for some items of this list.
    this.#isRelistWanted = false
    this.#resourceVersion = undefined
    this.#verb = 'list'
    const { signal } = this.#stopping
    let gone = new Set<string>()
    const onStart = () => {
      gone = new Set(this.#objects.keys())
    }
    // An item is compared and dropped as it arrives: no two copies of all of them are ever in memory.
    const reduce = (object: KubeObject) => {
      const kept = this.#reduce(object)
      if (kept === undefined) return undefined
      gone.delete(keyText(keyOf(kept)))
      this.#keep(kept, 'Listed')
      return undefined
    }
    const list = await client.list(resource, { ...select, signal, reduce, onStart })
    this.#heard()
    if (this.forbidden?.verb === 'list') this.forbidden = undefined
    for (const key of gone) this.#drop(key)
    this.#resourceVersion = list.resourceVersion
    this.#listedMs = this.#options.clock.now()
    this.state = 'synced'
    this.#markSynced()
  }

  async #follow(resourceVersion: string): Promise<void> {
    const { client, resource, select, clock, random } = this.#options
    this.#verb = 'watch'
    const ending = new AbortController()
    this.#interrupt = ending
    if (this.#isRelistWanted) this.relist()
    const signal = AbortSignal.any([ending.signal, this.#stopping.signal])
    let isStalled = false
    let heardMs = clock.now()
    let cancel = () => {}
    // One timer, which looks back when it fires: an event sets none.
    const watchdog = (waitMs: number) => {
      cancel = clock.setTimer(() => {
        const leftMs = heardMs + stallMs - clock.now()
        if (leftMs > 0) {
          watchdog(Math.min(leftMs, stallMs))
          return
        }
        isStalled = true
        ending.abort()
      }, waitMs)
    }
    const timeoutSeconds = Math.round(watchSeconds * (0.8 + 0.4 * random()))
    watchdog(stallMs)
    try {
      for await (const event of client.watch(resource, {
        ...select,
        resourceVersion,
        timeoutSeconds,
        signal,
      })) {
        heardMs = clock.now()
        this.#take(event)
      }
    } finally {
      cancel()
      this.#cancelRelist?.()
      this.#cancelRelist = undefined
      this.#interrupt = undefined
    }
    if (isStalled) throw new Stale('the server sent nothing for too long')
  }

  #take(event: WatchEvent): void {
    this.#heard()
    this.forbidden = undefined
    if (event.type === 'ERROR') {
      // 410: the server has forgotten our version; any other error is as good a reason to list again.
      if (event.code === 410) throw new Stale(event.message)
      throw new Error(`the watch of ${this.#options.resource.plural} ended: ${event.message} (${event.code})`)
    }
    if (event.type === 'DELETED') this.#drop(keyText(keyOf(event.object)))
    else if (event.type !== 'BOOKMARK') this.#put(event.object)
    this.#resourceVersion = event.object.metadata.resourceVersion
  }

  #put(object: KubeObject): void {
    const kept = this.#reduce(object)
    if (kept === undefined) this.#drop(keyText(keyOf(object)))
    else this.#keep(kept, 'Watched')
  }

  #reduce(object: KubeObject): KubeObject | undefined {
    const { reduce = (whole: KubeObject) => whole } = this.#options
    const { managedFields: _, ...metadata } = object.metadata
    return reduce({ ...object, metadata })
  }

  #keep(object: KubeObject, how: 'Listed' | 'Watched'): void {
    const before = this.#objects.get(keyOf(object))
    const { interner } = this.#options
    if (before === undefined) {
      this.#objects.set(interner?.intern(object) ?? object)
      this.#tell({ type: 'added', object })
      return
    }
    const now = sharing(before, object)
    if (now === before) return
    if (isSameButVersion(before, now)) {
      // It was written, and nothing that is kept of it has changed: what was read of it stays right.
      before.metadata.resourceVersion = now.metadata.resourceVersion ?? ''
      return
    }
    // An event changes little, and what it leaves has been interned: to intern it again would cost more than it saves.
    this.#objects.set((how === 'Listed' ? interner?.intern(now) : undefined) ?? now)
    this.#tell({ type: 'updated', object: now, before })
  }

  #drop(key: string): void {
    const object = this.#objects.delete(key)
    if (object !== undefined) this.#tell({ type: 'deleted', object })
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) {
      try {
        listener(change)
      } catch (error) {
        this.#options.logger.error({ err: error, object: keyText(keyOf(change.object)) }, 'a listener failed')
      }
    }
  }

  #heard(): void {
    this.lastHeardMs = this.#options.clock.now()
  }
}
