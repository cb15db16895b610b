import { writeGateStatus } from '../controller/pods/gates.ts'
import { serviceOfPod } from '../kserve/pod.ts'
import { isHeld } from '../plan/pod/pod.ts'
import type { KubeObject } from '../values/object.ts'
import { describeObject, isNamed, listPods, type RestoreContext, reasonOf } from './context.ts'

const message = 'released by warmgate restore; the pod serves from a cold cache'

/** Opens the readiness and scheduling gates of every held pod, even if no controller runs any more. */
export async function releasePods(context: RestoreContext): Promise<void> {
  const { scope } = context
  for (const pod of await listPods(context, scope.namespace)) await release(context, pod)
}

async function release(context: RestoreContext, pod: KubeObject): Promise<void> {
  const { record, dryRun, report, scope } = context
  try {
    const { namespace = '' } = pod.metadata
    const name = serviceOfPod(pod)?.name
    if (!isHeld(pod) || !isNamed(scope, { namespace, name })) return
    if (!dryRun) {
      await writeGateStatus(context, pod, { isReleased: true, reason: 'NotHeld', message })
      await record({ regarding: pod, type: 'Normal', reason: 'NotHeld', note: message, action: 'Release' })
    }
    report.say(`released ${describeObject(pod)}`)
  } catch (error) {
    report.fail(describeObject(pod), reasonOf(error))
  }
}
