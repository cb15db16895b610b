import { retainedUntilAnnotation, unusedSinceAnnotation } from '../values/keys.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'

/** When the last service stopped using a Dataset, in milliseconds since 1970; now if that is not recorded, or in the future. */
export function unusedSinceMs({ metadata: { annotations = {} } }: KubeObject, nowMs: number): number {
  const sinceMs = Date.parse(annotations[unusedSinceAnnotation] ?? '')
  // A future time counts as now: it would keep the Dataset for longer than the policy says.
  return Number.isNaN(sinceMs) ? nowMs : Math.min(sinceMs, nowMs)
}

/** Until when an unused Dataset is kept; undefined if it is used or not retained. */
export function retainedUntil({ metadata: { annotations = {} } }: KubeObject): string | undefined {
  return annotations[retainedUntilAnnotation]
}

/** The merge patch that writes or removes both times on a Dataset. */
export function releasePatch({ since, until }: { since: string | null; until: string | null }): JsonObject {
  const annotations = { [unusedSinceAnnotation]: since, [retainedUntilAnnotation]: until }
  return { metadata: { annotations } }
}
