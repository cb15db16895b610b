import { namespaceLabels } from '../../cluster/facts.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import type { Planner } from '../../cluster/planner.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { Plan } from '../../plan/plan.ts'
import { needsWarning, type Reason } from '../../plan/reasons.ts'
import { unproven } from '../../plan/service/decide.ts'
import { unplannable } from '../../plan/service/size.ts'
import { isOpen } from '../../policy/policy.ts'
import type { KubeObject } from '../../values/object.ts'

interface DecisionEventOptions {
  mirror: Mirror
  planner: Planner
  events: EventRecorder
}

/** Records an Event on each service with its decision and the reason. */
export class DecisionEventReconciler {
  readonly #options: DecisionEventOptions

  constructor(options: DecisionEventOptions) {
    this.#options = options
  }

  async reconcile(service: KubeObject): Promise<void> {
    const { mirror, planner } = this.#options
    if (service.metadata.deletionTimestamp !== undefined) return
    const { namespace = '' } = service.metadata
    const record = mirror.records.of(service)
    const isAccelerated = record?.isProven === true
    // Neither plan nor report services that are not opted in.
    if (!isAccelerated && !isOpen(mirror.parsedPolicies(), namespaceLabels(mirror, namespace))) return
    // The mirror does not have its spec yet. It reads the spec soon and queues this service again.
    if (mirror.services.isClosed(service)) return
    if (mirror.services.isTooLarge(service)) return this.#record(service, unplannable)
    if (record?.isProven === false) return this.#record(service, unproven)
    const planned = await (isAccelerated ? planner.existing(service) : planner.recreated(service))
    const isServed = planned.reason === 'AlreadyCached' || isRewrittenInPods(planned)
    if (isAccelerated && !isServed) return
    if (planned.decision === 'accelerate' && !isServed) return await this.#recordNotAdmitted(service, planned)
    const reason = isServed ? 'Accelerated' : planned.reason
    this.#record(service, { reason, message: planned.message })
    for (const { location, ...each } of planned.skipped.filter((each) => needsWarning(each.reason)))
      this.#record(service, { ...each, message: `${location} is not accelerated: ${each.message}` })
  }

  /** Reports that a service could be accelerated, but admission did not accelerate it. */
  async #recordNotAdmitted(regarding: KubeObject, { policy: name }: Plan): Promise<void> {
    // Admission saw it before its credentials existed. It will be adopted soon.
    if (await this.#options.planner.credentialsCameLater(regarding)) return
    const policy = this.#options.mirror.parsedPolicies().find((each) => each.name === name)
    const { namespace, name: service } = regarding.metadata
    const next =
      policy?.spec.adopt.mode === 'Automatic'
        ? `AccelerationPolicy ${name} adopts it automatically`
        : `\`warmgate adopt --namespace ${namespace} ${service}\` accelerates it`
    const why = 'it is older than its opt-in, or was created while admission was unavailable'
    const note = `not accelerated, although it could be: ${why}; ${next}`
    this.#options.events.record({
      regarding,
      type: 'Normal',
      reason: 'NotAdmitted',
      note,
      action: 'Accelerate',
    })
  }

  #record(regarding: KubeObject, { reason, message }: { reason: Reason; message: string }): void {
    const type = needsWarning(reason) ? 'Warning' : 'Normal'
    this.#options.events.record({ regarding, type, reason, note: message, action: 'Accelerate' })
  }
}

/** Whether a plan leaves the service unchanged and redirects its pods. */
function isRewrittenInPods(planned: Plan): boolean {
  return planned.reason === 'Accelerated' && planned.patch.length === 0
}
