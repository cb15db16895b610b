import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../values/clock.ts'
import type { KubeObject } from '../values/object.ts'
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
  /** Never throws, and never waits: an Event is a courtesy. They are written one after the other. */
  record(event: EventNote): void
}

const controller = 'warmgate.dev/warmgate'
// The same words about the same object are not news within this time.
const repeatMs = 10 * 60_000
// The API server refuses a longer one.
const longestNoteBytes = 1_024
const mostRemembered = 10_000
const mostWaiting = 5_000

/**
 * Writes Kubernetes Events, each at most once in ten minutes, and one at a time: whatever else is written to the API
 * server matters more. Those on pods come last, since pods are many.
 */
export function createEventRecorder(options: {
  client: KubeClient
  clock: Clock
  logger: Logger
  instance: string
}): EventRecorder {
  const { client, clock, logger, instance } = options
  const recent = new Map<string, number>()
  const waiting = new Backlog<KubeObject>()
  let isWriting = false
  let isFailing = false
  async function write(event: KubeObject): Promise<void> {
    try {
      await client.create(resources.event, event)
      isFailing = false
    } catch (error) {
      // Many in a namespace that is on its way out would all fail alike.
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
      if (!isNews(recent, event, nowMs)) return
      const { regarding, reason } = event
      const isKept = waiting.put(eventObject(event, { nowMs, instance }), regarding.kind === 'Pod')
      if (!isKept) logger.warn({ reason }, 'an Event is left out: too many wait to be written')
      if (!isWriting) void writeAll()
    },
  }
}

/** What waits its turn, the minor after all the rest; bounded. */
class Backlog<T> {
  readonly #major: T[] = []
  readonly #minor: T[] = []

  /** False where there is no room. */
  put(item: T, isMinor: boolean): boolean {
    const list = isMinor ? this.#minor : this.#major
    if (list.length >= mostWaiting) return false
    list.push(item)
    return true
  }

  take(): T | undefined {
    return this.#major.shift() ?? this.#minor.shift()
  }
}

function isNews(recent: Map<string, number>, { regarding, reason, note }: EventNote, nowMs: number): boolean {
  const { namespace, name, uid } = regarding.metadata
  const identity = [regarding.kind, namespace, name, uid, reason, note].join('\n')
  if (nowMs - (recent.get(identity) ?? Number.NEGATIVE_INFINITY) < repeatMs) return false
  recent.delete(identity)
  recent.set(identity, nowMs)
  for (const oldest of recent.keys()) {
    if (recent.size <= mostRemembered) break
    recent.delete(oldest)
  }
  return true
}

/** The Event that says it; `instance` is who says it. */
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
      // Where the API server wants Events about cluster-scoped objects.
      namespace: namespace ?? 'default',
      // It must end as a name may, or in a dash: an Event of `llama.` would be refused.
      generateName: `${name?.slice(0, 200) ?? 'object'}-`,
    },
    eventTime: new Date(nowMs).toISOString().replace('Z', '000Z'),
    reportingController: controller,
    reportingInstance: instance.slice(0, 128),
    regarding: {
      apiVersion,
      kind,
      ...(namespace === undefined ? {} : { namespace }),
      name,
      uid,
      resourceVersion,
    },
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
