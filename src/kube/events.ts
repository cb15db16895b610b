import { createHash } from 'node:crypto'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../values/clock.ts'
import { reportingController } from '../values/keys.ts'
import { setNewest } from '../values/memory.ts'
import { defined, type KubeObject } from '../values/object.ts'
import type { KubeClient } from './client.ts'
import { resources } from './resources.ts'

export interface EventNote {
  regarding: KubeObject
  type: 'Normal' | 'Warning'
  reason: string
  note: string
  action: string
}

export interface EventRecorder {
  /** Never throws and never waits: an Event is best effort. Events are written one after the other. */
  record(event: EventNote): void
}

// The same note on the same object is not repeated within this time.
const repeatMs = 10 * 60_000
// The API server refuses a longer one.
const longestNoteBytes = 1_024
const mostRemembered = 10_000
// As in client-go: a burst for one object, and then one more per interval.
const mostOfObject = 25
const refillMs = 5 * 60_000
const mostWaiting = 5_000
// So that one namespace leaves room for the others.
const mostOfNamespace = mostWaiting / 2

/**
 * Writes Kubernetes Events, each at most once in ten minutes, and one at a time, since every other write matters more.
 * Events on pods come last, since there are many pods. The number per object is limited, so that an object that changes
 * all the time does not delay the Events of others.
 */
export function createEventRecorder(options: {
  client: KubeClient
  clock: Clock
  logger: Logger
  instance: string
}): EventRecorder {
  const { client, clock, logger, instance } = options
  const recent = new Map<string, number>()
  const spent = new Map<string, Allowance>()
  const waiting = new Backlog()
  let isWriting = false
  let isFailing = false
  let isFull = false
  async function write(event: KubeObject): Promise<void> {
    try {
      await client.create(resources.event, event)
      isFailing = false
    } catch (error) {
      // In a namespace that is being deleted, many would fail in the same way.
      if (!isFailing) logger.warn({ err: error, reason: event.reason }, 'cannot write an Event')
      isFailing = true
    }
  }
  async function writeAll(): Promise<void> {
    isWriting = true
    for (let event = waiting.take(); event !== undefined; event = waiting.take()) await write(event)
    isWriting = false
  }
  return {
    record(event) {
      const nowMs = clock.now()
      if (!isNews(recent, event, nowMs) || !isAllowed(spent, event, nowMs)) return
      const { regarding, reason } = event
      const rank = regarding.kind === 'Pod' ? 'minor' : 'major'
      const isKept = waiting.put(eventObject(event, { nowMs, instance }), rank)
      // Log once: many may be dropped at a time.
      if (!isKept && !isFull) logger.warn({ reason }, 'an Event was dropped: too many wait to be written')
      isFull = !isKept
      if (!isWriting) void writeAll()
    },
  }
}

/** The queue of Events, minor ones last; bounded as a whole and per namespace. */
class Backlog {
  readonly #events: { major: KubeObject[]; minor: KubeObject[] } = { major: [], minor: [] }
  readonly #counts = new Map<string, number>()

  /** False if there is no room. */
  put(event: KubeObject, rank: 'major' | 'minor'): boolean {
    const list = this.#events[rank]
    if (list.length >= mostWaiting || this.#count(event) >= mostOfNamespace) return false
    list.push(event)
    this.#counts.set(event.metadata.namespace ?? '', this.#count(event) + 1)
    return true
  }

  take(): KubeObject | undefined {
    const event = this.#events.major.shift() ?? this.#events.minor.shift()
    if (event === undefined) return undefined
    const left = this.#count(event) - 1
    if (left > 0) this.#counts.set(event.metadata.namespace ?? '', left)
    else this.#counts.delete(event.metadata.namespace ?? '')
    return event
  }

  #count({ metadata: { namespace = '' } }: KubeObject): number {
    return this.#counts.get(namespace) ?? 0
  }
}

function isNews(recent: Map<string, number>, { regarding, reason, note }: EventNote, nowMs: number): boolean {
  // A note may be of any length, and ten thousand are remembered.
  const words = createHash('sha256').update(note).digest('base64')
  const identity = [identify(regarding), reason, words].join('\n')
  if (nowMs - (recent.get(identity) ?? Number.NEGATIVE_INFINITY) < repeatMs) return false
  setNewest(recent, identity, nowMs, mostRemembered)
  return true
}

/** How many Events an object may still have, and since when that is so. */
interface Allowance {
  left: number
  sinceMs: number
}

function isAllowed(spent: Map<string, Allowance>, { regarding }: EventNote, nowMs: number): boolean {
  const identity = identify(regarding)
  const { left, sinceMs } = spent.get(identity) ?? { left: mostOfObject, sinceMs: nowMs }
  const refills = Math.floor((nowMs - sinceMs) / refillMs)
  const now = Math.min(left + refills, mostOfObject)
  const allowance = { left: Math.max(now - 1, 0), sinceMs: sinceMs + refills * refillMs }
  setNewest(spent, identity, allowance, mostRemembered)
  return now > 0
}

function identify({ kind, metadata: { namespace, name, uid } }: KubeObject): string {
  return [kind, namespace, name, uid].join('\n')
}

/** The Event to write; `instance` is its reporting instance. */
export function eventObject(
  event: EventNote,
  { nowMs, instance }: { nowMs: number; instance: string },
): KubeObject {
  const { apiVersion, kind, metadata } = event.regarding
  const { namespace, name, uid, resourceVersion } = metadata
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: {
      // The namespace that the API server requires for Events on cluster-scoped objects.
      namespace: namespace ?? 'default',
      // It must end as a name may, or in a dash: the API server refuses an Event named `llama.`.
      generateName: `${name?.slice(0, 200) ?? 'object'}-`,
    },
    eventTime: new Date(nowMs).toISOString().replace('Z', '000Z'),
    reportingController,
    reportingInstance: instance.slice(0, 128),
    regarding: defined({ apiVersion, kind, namespace, name, uid, resourceVersion }),
    type: event.type,
    reason: event.reason,
    action: event.action,
    note: cut(event.note),
  }
}

/** Cut between letters, not within one. */
function cut(note: string): string {
  const bytes = Buffer.from(note)
  if (bytes.length <= longestNoteBytes) return note
  const ellipsis = '…'
  const kept = bytes.subarray(0, longestNoteBytes - Buffer.byteLength(ellipsis))
  return new TextDecoder().decode(kept, { stream: true }) + ellipsis
}
