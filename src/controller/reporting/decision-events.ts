import { namespaceLabels, readFacts } from '../../cluster/facts.ts'
import type { FactsSources } from '../../cluster/sources.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { type Plan, plan } from '../../plan/plan.ts'
import { isWorthAWarning } from '../../plan/reasons.ts'
import { unproven } from '../../plan/service/decide.ts'
import { isOpen } from '../../policy/policy.ts'
import type { KubeObject } from '../../values/object.ts'

/** Says on each service, in an Event, what was decided about it and why. */
export class DecisionEventReconciler {
  readonly #options: FactsSources & { events: EventRecorder }

  constructor(options: FactsSources & { events: EventRecorder }) {
    this.#options = options
  }

  async reconcile(service: KubeObject): Promise<void> {
    const { mirror, events } = this.#options
    if (service.metadata.deletionTimestamp !== undefined) return
    const { namespace = '' } = service.metadata
    const record = mirror.records.of(service)
    const isAccelerated = record?.isProven === true
    // What did not opt in is neither spoken to nor looked into.
    if (!isAccelerated && !isOpen(mirror.parsedPolicies(), namespaceLabels(mirror, namespace))) return
    if (mirror.services.isTooLarge(service)) {
      const note = 'the service is larger than any that Warmgate looks at'
      events.record({ regarding: service, type: 'Warning', reason: 'TooLarge', note, action: 'Accelerate' })
      return
    }
    if (record?.isProven === false) {
      const { reason, message } = unproven
      events.record({ regarding: service, type: 'Warning', reason, note: message, action: 'Accelerate' })
      return
    }
    const facts = await readFacts(this.#options, service, namespace)
    const made = plan({ service, facts, ...(isAccelerated ? { previous: service } : {}) })
    const isServed = made.reason === 'AlreadyCached' || placedByPod(made)
    // A service that could be accelerated and is not was here before: nobody decided anything about it.
    if (isAccelerated ? !isServed : made.decision === 'accelerate' && !isServed) return
    const reason = isServed ? 'Accelerated' : made.reason
    const type = isWorthAWarning(reason) ? 'Warning' : 'Normal'
    events.record({ regarding: service, type, reason, note: made.message, action: 'Accelerate' })
    for (const each of made.left.filter((left) => isWorthAWarning(left.reason))) {
      const note = `${each.location} is not accelerated: ${each.message}`
      events.record({ regarding: service, type: 'Warning', reason: each.reason, note, action: 'Accelerate' })
    }
  }
}

/** Whether a plan leaves the service as it is, and turns its pods. */
function placedByPod(made: Plan): boolean {
  return made.reason === 'Accelerated' && made.patch.length === 0
}
