import { cacheOfJob } from '../../fill/job.ts'
import { hasEnded } from '../../fill/progress.ts'
import { isOurs } from '../../fluid/dataset.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { Change } from '../../kube/reflector.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { isTrue } from '../../values/condition.ts'
import { formatDuration } from '../../values/duration.ts'
import { fillLabel, sourceAnnotation } from '../../values/keys.ts'
import { type KubeObject, type ObjectKey, stringAt } from '../../values/object.ts'
import { quoted } from '../../values/text.ts'

interface Options {
  metrics: Pick<Metrics, 'fills' | 'fillDuration'>
  events: EventRecorder
  /** The services that use a cache, and the policies that warm it ahead. */
  ownersOf: (cache: ObjectKey) => KubeObject[]
}

/** Counts each look and fill Job when it ends, and reports completed downloads on services. */
export function reportFill({ metrics, events, ownersOf }: Options, change: Change): void {
  const { type, object } = change
  if (type !== 'updated' || !isOurs(object) || hasEnded(change.before) || !hasEnded(object)) return
  const isComplete = isTrue(object, 'Complete')
  const isDownload = object.metadata.labels?.[fillLabel] === 'fill'
  // Do not count a look that finds nothing, because the download follows.
  if (!isDownload && !isComplete) return
  metrics.fills.inc({ outcome: isDownload ? (isComplete ? 'complete' : 'failed') : 'found' })
  if (!isDownload || !isComplete) return
  const [start, end] = ['startTime', 'completionTime'].map((field) =>
    Date.parse(stringAt(object, 'status', field) ?? ''),
  )
  const tookMs = Math.max((end ?? 0) - (start ?? 0), 0) || 0
  metrics.fillDuration.observe(tookMs / 1_000)
  const model = quoted(object.metadata.annotations?.[sourceAnnotation] ?? '')
  const note = `downloaded ${model} into the mirror in ${formatDuration(tookMs)}`
  for (const regarding of ownersOf(cacheOfJob(object)))
    events.record({ regarding, type: 'Normal', reason: 'FillComplete', note, action: 'Fill' })
}
