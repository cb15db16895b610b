import { byClaim } from '../../cluster/indexes.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { deletionOf, stuckAfterMs } from '../../plan/cache/deletion.ts'
import type { Clock } from '../../values/clock.ts'
import { type KubeObject, keyOf, keyText } from '../../values/object.ts'

/** Reports on the services of a cache why its deleted Dataset is neither gone nor created again. */
export function explainDeletion(
  { mirror, clock, events }: { mirror: Pick<Mirror, 'pods'>; clock: Clock; events: EventRecorder },
  dataset: KubeObject,
  users: KubeObject[],
): void {
  const pods = mirror.pods.by(byClaim, keyText(keyOf(dataset)))
  const deletion = deletionOf(dataset, { pods, nowMs: clock.now() })
  if (deletion === undefined || deletion.forMs < stuckAfterMs) return
  for (const regarding of users) {
    const note = deletion.message
    events.record({ regarding, type: 'Warning', reason: 'CacheDeleting', note, action: 'CreateCache' })
  }
}
