import type { KubeClient } from '../../src/kube/client.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import type { Clock } from '../../src/values/clock.ts'
import type { Caches } from './cache.ts'
import type { FluidEvents } from './events.ts'
import type { FluidOptions } from './options.ts'

/** The dependencies of all controllers of the stand-in. */
export interface FluidContext {
  client: KubeClient
  clock: Clock
  logger: Logger
  events: FluidEvents
  caches: Caches
  /** Whether this stand-in reconciles the objects of a namespace. */
  covers: (namespace: string) => boolean
  /** As they are now: a test changes them on the way. */
  options: () => FluidOptions
}
