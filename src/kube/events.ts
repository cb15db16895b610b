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
  /** Never throws, and never waits: an Event is a courtesy. */
  record(event: EventNote): void
}

const controller = 'warmgate.dev/warmgate'
// The same words about the same object are not news within this time.
const repeatMs = 10 * 60_000
const longestNote = 1_000
const mostRemembered = 10_000

/** Writes Kubernetes Events, each at most once in ten minutes. */
export function createEventRecorder(options: {
  client: KubeClient
  clock: Clock
  logger: Logger
  instance: string
}): EventRecorder {
  const { client, clock, logger, instance } = options
  const recent = new Map<string, number>()
  return {
    record({ regarding, type, reason, note, action }) {
      const { metadata } = regarding
      const identity = [metadata.uid, reason, note].join('\n')
      const nowMs = clock.now()
      if (nowMs - (recent.get(identity) ?? Number.NEGATIVE_INFINITY) < repeatMs) return
      recent.delete(identity)
      recent.set(identity, nowMs)
      for (const oldest of recent.keys()) {
        if (recent.size <= mostRemembered) break
        recent.delete(oldest)
      }
      const namespace = metadata.namespace ?? 'default'
      const event: KubeObject = {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { namespace, generateName: `${metadata.name ?? ''}.`.slice(0, 50) },
        eventTime: new Date(nowMs).toISOString().replace('Z', '000Z'),
        reportingController: controller,
        reportingInstance: instance.slice(0, 128),
        regarding: {
          apiVersion: regarding.apiVersion,
          kind: regarding.kind,
          namespace,
          name: metadata.name,
          uid: metadata.uid,
          resourceVersion: metadata.resourceVersion,
        },
        type,
        reason,
        action,
        note: note.slice(0, longestNote),
      }
      client.create(resources.event, event).catch((error: unknown) => {
        logger.warn({ err: error, reason }, 'cannot write an Event')
      })
    },
  }
}
