import type { EventRecorder } from '../../kube/events.ts'
import { labelProblem } from '../../policy/scope.ts'
import type { KubeObject } from '../../values/object.ts'

/** Reports a namespace label with an invalid value: the webhook never gets services of that namespace. */
export function reportLabel({ events }: { events: EventRecorder }, regarding: KubeObject): void {
  const note = labelProblem(regarding.metadata.labels ?? {})
  if (note === undefined) return
  events.record({ regarding, type: 'Warning', reason: 'InvalidLabel', note, action: 'ReadLabel' })
}
