import { type FactsSources, namespaceLabels, readFacts } from '../cluster/facts.ts'
import type { EventRecorder } from '../kube/events.ts'
import { isOptedIn } from '../plan/facts.ts'
import { readOriginal } from '../plan/original.ts'
import { plan } from '../plan/plan.ts'
import { isWorthAWarning } from '../plan/reasons.ts'
import type { ObjectKey } from '../values/object.ts'

/** Says on each service, in an Event, what was decided about it and why. */
export class ReportReconciler {
  readonly #options: FactsSources & { events: EventRecorder }

  constructor(options: FactsSources & { events: EventRecorder }) {
    this.#options = options
  }

  async reconcile(key: ObjectKey): Promise<undefined> {
    const { mirror, events } = this.#options
    const service = mirror.services.get(key)
    if (service === undefined || service.metadata.deletionTimestamp !== undefined) return
    const isAccelerated = readOriginal(service) !== undefined
    // What did not opt in is neither spoken to nor looked into.
    if (!isAccelerated && !isOptedIn(namespaceLabels(mirror, key.namespace ?? ''))) return
    const facts = await readFacts(this.#options, service, key.namespace ?? '')
    const made = plan({ service, facts, ...(isAccelerated ? { previous: service } : {}) })
    // A service that could be accelerated and is not was here before: nobody decided anything about it.
    if (isAccelerated ? made.reason !== 'AlreadyCached' : made.decision === 'accelerate') return
    const reason = isAccelerated ? 'Accelerated' : made.reason
    const type = isWorthAWarning(reason) ? 'Warning' : 'Normal'
    events.record({ regarding: service, type, reason, note: made.message, action: 'Accelerate' })
  }
}
