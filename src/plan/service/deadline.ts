import { deadlineMs, defaultDeadlineMs, progressDeadline } from '../../kserve/knative.ts'
import type { ServiceView } from '../../kserve/service-view.ts'
import { formatDuration } from '../../values/duration.ts'
import { type Json, type KubeObject, stringAt } from '../../values/object.ts'
import { pointer } from '../draft.ts'
import type { Hold } from '../pod/hold.ts'

/**
 * The annotation that a predictor needs so that Knative waits for its held pods, by pointer relative to the
 * predictor. None if the service runs on plain Deployments, or if its user has set a deadline: Warmgate's on
 * the predictor would override the user's on the service. The value is a Go duration in whole seconds.
 */
export function deadlineValues(
  view: ServiceView,
  hold: Pick<Hold, 'timeoutMs'> | undefined,
): { [pointer: string]: Json } {
  if (hold === undefined || !isOnKnative(view)) return {}
  if ([view.annotations, view.predictorAnnotations].some((these) => progressDeadline in these)) return {}
  return { [pointer('annotations', progressDeadline)]: deadlineFor(hold) }
}

/** The hold's timeout plus Knative's default deadline. */
function deadlineFor({ timeoutMs }: Pick<Hold, 'timeoutMs'>): string {
  return `${Math.ceil((timeoutMs + defaultDeadlineMs) / 1_000)}s`
}

/**
 * The deadline that bounds the hold of a service's pods, in milliseconds; `admitted` has Warmgate's, if there
 * is one.
 */
export function serviceDeadlineMs(view: ServiceView, admitted: KubeObject): number | undefined {
  if (!isOnKnative(view)) return undefined
  const own = stringAt(admitted, 'spec', 'predictor', 'annotations', progressDeadline)
  return deadlineMs(own ?? admitted.metadata.annotations?.[progressDeadline])
}

/** Warns if the deadline ends a hold before the hold's own timeout. */
export function deadlineWarnings(
  view: ServiceView,
  { settings, hold, admitted }: { settings: Pick<Hold, 'timeoutMs'>; hold: Hold; admitted: KubeObject },
): string[] {
  const deadline = serviceDeadlineMs(view, admitted)
  if (deadline === undefined || hold.timeoutMs >= settings.timeoutMs) return []
  const [gives, held, asked] = [deadline, hold.timeoutMs, settings.timeoutMs].map(formatDuration)
  return [
    `warmgate: Knative gives up on a revision that is not Ready after ${gives}, so its pods are held for ${held} at most, and not ` +
      `for ${asked}: set ${progressDeadline}: ${deadlineFor(settings)} on the predictor`,
  ]
}

function isOnKnative({ kind, mode }: ServiceView): boolean {
  return kind === 'InferenceService' && mode === 'Knative'
}
