import { tell } from '../controller/gates.ts'
import { serviceOfPod } from '../kserve/pod.ts'
import { isHeld } from '../plan/pod.ts'
import type { KubeObject } from '../values/object.ts'
import { describeObject, isNamed, listPods, reasonOf, type Undoing } from './undoing.ts'

const message = 'released by warmgate restore; the pod serves from a cold cache'

/** Opens the gates of every held pod, at readiness and at scheduling alike, also where no controller does any more. */
export async function releasePods(undoing: Undoing): Promise<void> {
  const { scope } = undoing
  for (const pod of await listPods(undoing, scope.namespace)) await release(undoing, pod)
}

async function release(undoing: Undoing, pod: KubeObject): Promise<void> {
  const { record, dryRun, report, scope } = undoing
  try {
    if (!isHeld(pod) || !isNamed(scope, serviceOfPod(pod)?.name)) return
    if (!dryRun) {
      await tell(undoing, pod, { isReleased: true, reason: 'NotHeld', message })
      await record({ regarding: pod, type: 'Normal', reason: 'NotHeld', note: message, action: 'Release' })
    }
    report.say(`released ${describeObject(pod)}`)
  } catch (error) {
    report.fail(describeObject(pod), reasonOf(error))
  }
}
