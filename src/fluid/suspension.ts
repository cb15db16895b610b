import { createdMs, getIn, type KubeObject, listAt, type ObjectKey, stringAt } from '../values/object.ts'
import { quoted } from '../values/text.ts'

/** The label of every pod of a cache: masters, workers and FUSE. Source: fluid v1.0.8 charts/library. */
export const cachePodSelector = 'fluid.io/managed-by=fluid'

/** Why another controller prevents a cache from starting or loading. */
export interface Suspension {
  sinceMs: number
  message: string
}

/** The suspension of a loading Job: Kueue suspends the Jobs of its queues until there is quota. */
export function suspendedJob(job: KubeObject): Suspension | undefined {
  if (getIn(job, 'spec', 'suspend') !== true) return undefined
  return { sinceMs: createdMs(job), message: `its loading Job is suspended${byKueue(job)}` }
}

/** The suspension of a cache by the scheduling gates on its pods. Reports the first such pod. */
export function gatedPod(pods: KubeObject[], { name }: ObjectKey): Suspension | undefined {
  const pod = pods.find((each) => each.metadata.labels?.release === name && gatesOf(each).length > 0)
  if (pod === undefined) return undefined
  const gates = gatesOf(pod).map(quoted).join(', ')
  const message = `its pod ${pod.metadata.name} is not scheduled: it has the gate ${gates}${byKueue(pod)}`
  return { sinceMs: createdMs(pod), message }
}

/** The names of a pod's scheduling gates, at most `mostGates`. */
export function gatesOf(pod: KubeObject): string[] {
  return listAt(pod, 'spec', 'schedulingGates')
    .slice(0, mostGates)
    .flatMap((gate) => stringAt(gate, 'name') ?? [])
}

const mostGates = 4

function byKueue({ metadata: { labels = {} } }: KubeObject): string {
  const queue = labels['kueue.x-k8s.io/queue-name']
  return queue === undefined ? '' : ` by Kueue (LocalQueue ${quoted(queue)})`
}
