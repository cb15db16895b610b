import { retainedUntilAnnotation, unusedSinceAnnotation } from '../values/keys.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'

/** When the last service let go of a Dataset, in milliseconds since 1970; now, where that is not written yet. */
export function unusedSinceMs({ metadata: { annotations = {} } }: KubeObject, nowMs: number): number {
  const sinceMs = Date.parse(annotations[unusedSinceAnnotation] ?? '')
  // A time to come would be somebody's way to keep it for ever.
  return Number.isNaN(sinceMs) ? nowMs : Math.min(sinceMs, nowMs)
}

/** Until when a Dataset that no service uses stays; undefined for one that is used, or not retained. */
export function retainedUntil({ metadata: { annotations = {} } }: KubeObject): string | undefined {
  return annotations[retainedUntilAnnotation]
}

/** The merge patch that writes both times on a Dataset, or takes them away. */
export function releasePatch({ since, until }: { since: string | null; until: string | null }): JsonObject {
  const annotations = { [unusedSinceAnnotation]: since, [retainedUntilAnnotation]: until }
  return { metadata: { annotations } }
}
