import { createHash } from 'node:crypto'
import type { KubeClient } from '../../src/kube/client.ts'
import { hasStatus } from '../../src/kube/errors.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import type { Clock } from '../../src/values/clock.ts'
import { getIn, type KubeObject } from '../../src/values/object.ts'
import { coreEvent } from './kinds.ts'
import { timestamp } from './status.ts'

export interface EventContent {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

export interface EventsOptions {
  client: KubeClient
  clock: Clock
  logger: Logger
}

/**
 * Fluid's Events. A repeated Event increases its count. An Event that cannot be written is logged and
 * ignored.
 */
export class FluidEvents {
  readonly #options: EventsOptions

  constructor(options: EventsOptions) {
    this.#options = options
  }

  async record(regarding: KubeObject, content: EventContent): Promise<void> {
    try {
      await this.#write(regarding, content)
    } catch (error) {
      this.#options.logger.warn({ err: error, reason: content.reason }, 'an Event was not written')
    }
  }

  async #write(regarding: KubeObject, content: EventContent): Promise<void> {
    const { client, clock } = this.#options
    const event = toEvent(regarding, content, timestamp(clock.now()))
    try {
      await client.create(coreEvent, event)
    } catch (error) {
      if (!hasStatus(error, 409)) throw error
      const { namespace = '', name = '' } = event.metadata
      const before = await client.get(coreEvent, { namespace, name })
      const count = Number(getIn(before, 'count') ?? 0) + 1
      const body = { count, lastTimestamp: event.lastTimestamp }
      await client.patch(coreEvent, { namespace, name }, { type: 'merge', body })
    }
  }
}

function toEvent(regarding: KubeObject, content: EventContent, now: string): KubeObject {
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = regarding.metadata
  const identity = createHash('sha256')
    .update(JSON.stringify([uid, content]))
    .digest('hex')
    .slice(0, 16)
  const { apiVersion, kind } = regarding
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace, name: `${name}.${identity}` },
    involvedObject: { apiVersion, kind, namespace, name, uid, resourceVersion },
    ...content,
    source: { component: `${kind}Controller` },
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  }
}
