import { conditionOf } from '../values/condition.ts'
import { createdMs, getIn, type Json, type KubeObject, listAt, stringAt } from '../values/object.ts'
import { quoted } from '../values/text.ts'

const jobNameLabel = 'batch.kubernetes.io/job-name'
// A container with such a reason starts soon.
const starting = ['', 'PodInitializing', 'ContainerCreating']

/** What the Job that fills a mirror does now, as far as the containers of its newest pod show it. */
export function describeFill(model: string, job: KubeObject, pods: readonly KubeObject[]): string {
  const [pod] = pods
    .filter(({ metadata }) => metadata.labels?.[jobNameLabel] === job.metadata.name)
    .toSorted((a, b) => createdMs(b) - createdMs(a))
  const scheduled = conditionOf(pod, 'PodScheduled')
  if (stringAt(scheduled, 'status') === 'False')
    return `the download of ${model} waits for a node: ${quoted(stringAt(scheduled, 'message') ?? '')}`
  const statuses = statusesOf(pod)
  const waiting = statuses.find(
    (each) => !starting.includes(stringAt(each, 'state', 'waiting', 'reason') ?? ''),
  )
  if (waiting !== undefined) {
    const [name, reason] = [stringAt(waiting, 'name'), stringAt(waiting, 'state', 'waiting', 'reason')]
    return `the download of ${model} waits: container ${quoted(name ?? '')}: ${quoted(reason ?? '')}`
  }
  const running = statuses.find((each) => getIn(each, 'state', 'running') !== undefined)
  switch (stringAt(running, 'name')) {
    case 'store':
      return `storing ${model} in its mirror`
    case 'check':
      return `checking ${model} in its mirror`
    default:
      return `downloading ${model} into its mirror`
  }
}

/** The part of a pod of a Job that `describeFill` reads. */
export function reduceFillPod(pod: KubeObject): KubeObject {
  const { apiVersion, kind, metadata } = pod
  const {
    name = '',
    namespace = '',
    uid = '',
    resourceVersion = '',
    creationTimestamp = '',
    labels = {},
  } = metadata
  const { [jobNameLabel]: job = '' } = labels
  const { status = null, message = null } = conditionOf(pod, 'PodScheduled') ?? {}
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp, labels: { [jobNameLabel]: job } },
    status: {
      conditions: [{ type: 'PodScheduled', status, message: quoted(String(message ?? '')) }],
      containerStatuses: statusesOf(pod).map((each) => ({
        name: stringAt(each, 'name') ?? '',
        state: {
          ...(getIn(each, 'state', 'running') !== undefined && { running: {} }),
          ...(getIn(each, 'state', 'waiting') !== undefined && {
            waiting: { reason: stringAt(each, 'state', 'waiting', 'reason') ?? '' },
          }),
        },
      })),
    },
  }
}

function statusesOf(pod: KubeObject | undefined): Json[] {
  return [...listAt(pod, 'status', 'initContainerStatuses'), ...listAt(pod, 'status', 'containerStatuses')]
}
