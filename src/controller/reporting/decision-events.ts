import { namespaceLabels, readFacts } from '../../cluster/facts.ts'
import type { FactsSources } from '../../cluster/sources.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { type Plan, plan } from '../../plan/plan.ts'
import { isWorthAWarning, type Reason } from '../../plan/reasons.ts'
import { unproven } from '../../plan/service/decide.ts'
import { unplannable } from '../../plan/service/size.ts'
import { isOpen } from '../../policy/policy.ts'
import type { KubeObject } from '../../values/object.ts'

/** Says on each service, in an Event, what was decided about it and why. */
export class DecisionEventReconciler {
  readonly #options: FactsSources & { events: EventRecorder }

  constructor(options: FactsSources & { events: EventRecorder }) {
    this.#options = options
  }

  async reconcile(service: KubeObject): Promise<void> {
    const { mirror } = this.#options
    if (service.metadata.deletionTimestamp !== undefined) return
    const { namespace = '' } = service.metadata
    const record = mirror.records.of(service)
    const isAccelerated = record?.isProven === true
    // What did not opt in is neither spoken to nor looked into.
    if (!isAccelerated && !isOpen(mirror.parsedPolicies(), namespaceLabels(mirror, namespace))) return
    if (mirror.services.isTooLarge(service)) return this.#record(service, unplannable)
    if (record?.isProven === false) return this.#record(service, unproven)
    const facts = await readFacts(this.#options, service, namespace)
    const made = plan({ service, facts, ...(isAccelerated ? { previous: service } : {}) })
    const isServed = made.reason === 'AlreadyCached' || placedByPod(made)
    // A service that could be accelerated and is not was here before: nobody decided anything about it.
    if (isAccelerated ? !isServed : made.decision === 'accelerate' && !isServed) return
    const reason = isServed ? 'Accelerated' : made.reason
    this.#record(service, { reason, message: made.message })
    for (const { location, ...each } of made.skipped.filter((each) => isWorthAWarning(each.reason)))
      this.#record(service, { ...each, message: `${location} is not accelerated: ${each.message}` })
  }

  #record(regarding: KubeObject, { reason, message }: { reason: Reason; message: string }): void {
    const type = isWorthAWarning(reason) ? 'Warning' : 'Normal'
    this.#options.events.record({ regarding, type, reason, note: message, action: 'Accelerate' })
  }
}

/** Whether a plan leaves the service as it is, and turns its pods. */
function placedByPod(made: Plan): boolean {
  return made.reason === 'Accelerated' && made.patch.length === 0
}
