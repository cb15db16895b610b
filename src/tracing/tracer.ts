import type { Logger } from '../telemetry/logger.ts'
import type { KubeObject } from '../values/object.ts'

export type Attributes = { [name: string]: string | number }

/** A step on the way of a service from its admission to Ready. It has ended. */
export interface Step {
  /** Its UID makes the trace, so that all replicas write into the same one. */
  service: KubeObject
  /** `start` is the whole way, and all others are parts of it. */
  name: StepName
  startMs: number
  endMs: number
  attributes: Attributes
  /** A reason if the step failed. Never a message, which may quote a URI. */
  failure?: string
}

export const stepNames = ['start', 'review', 'create cache', 'warm up', 'hold', 'release'] as const
export type StepName = (typeof stepNames)[number]

export interface Tracer {
  record(step: Step): void
  /** Sends what is left, for a few seconds at most. */
  stop(): Promise<void>
}

export interface TracerOptions {
  logger: Logger
  /** The version of Warmgate. */
  version: string
  /** Identifies this replica. */
  instance: string
}
