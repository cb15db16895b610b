import { timestamp } from '../values/clock.ts'
import { waitingSinceAnnotation } from '../values/keys.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { loadName } from './name.ts'

/**
 * Since when pods wait for a path of a cache, in milliseconds since 1970; undefined if no pod waits. Any
 * client that may write the Dataset can write this: an earlier time ends the holds of its pods early. A later
 * time changes nothing, because the wait also counts from the pod's own creation.
 */
export function waitingSinceMs(dataset: KubeObject, path: string): number | undefined {
  const sinceMs = Date.parse(dataset.metadata.annotations?.[keyFor(dataset, path)] ?? '')
  return Number.isNaN(sinceMs) ? undefined : sinceMs
}

/** The merge patch that records since when pods wait for a path of a Dataset. */
export function waitingPatch(dataset: KubeObject, path: string, sinceMs: number): JsonObject {
  return { metadata: { annotations: { [keyFor(dataset, path)]: timestamp(sinceMs) } } }
}

/** The merge patch that clears the waiting times of these paths; undefined if there are none. */
export function warmPatch(dataset: KubeObject, paths: string[]): JsonObject | undefined {
  const { annotations = {} } = dataset.metadata
  const keys = paths.map((path) => keyFor(dataset, path)).filter((key) => annotations[key] !== undefined)
  const cleared = Object.fromEntries(keys.map((key) => [key, null]))
  return keys.length === 0 ? undefined : { metadata: { annotations: cleared } }
}

/** Each path has its own annotation, with the name of its DataLoad as a suffix. */
function keyFor({ metadata: { name = '' } }: KubeObject, path: string): string {
  return path === '' ? waitingSinceAnnotation : `${waitingSinceAnnotation}.${loadName(name, path)}`
}
