import { adoptService, isReady, listAlivePods } from '../../cluster/adoption.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import type { Planner } from '../../cluster/planner.ts'
import { downloadsOf } from '../../kserve/pod.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import { isOptedOut } from '../../plan/facts.ts'
import { isPending, type Plan } from '../../plan/plan.ts'
import { builtInPolicy } from '../../policy/policy.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Clock } from '../../values/clock.ts'
import { Memory } from '../../values/memory.ts'
import { createdMs, type KubeObject, keyOf, keyText } from '../../values/object.ts'

export interface AwaitedCredentialsOptions {
  mirror: Mirror
  client: KubeClient
  planner: Planner
  clock: Clock
  events: EventRecorder
  logger: Logger
}

const firstDelayMs = 250
const longestDelayMs = 15_000
/** How long after its creation a service may wait for its service account and Secrets. */
export const awaitedForMs = 10 * 60_000

interface Wait {
  attempts: number
  isOver: boolean
}

/**
 * Accelerates services that were created before a service account or Secret that they name, as often in one
 * file. KServe creates no pod before these exist. They are not watched, because that would need rights to all
 * Secrets: they are read repeatedly, with growing delays, for a bounded time. The service carries no mark
 * that it waits, because KServe would copy an annotation into its pods.
 */
export class AwaitedCredentialsReconciler {
  readonly #options: AwaitedCredentialsOptions
  /** By UID of the service. */
  readonly #waits = new Memory<Wait>({ totalBytes: 2 ** 20, valueBytes: 2 ** 10 })

  constructor(options: AwaitedCredentialsOptions) {
    this.#options = options
  }

  /** Reconciles one service. Resolves with the time until the next check; undefined if none is needed. */
  async reconcile(service: KubeObject): Promise<RequeueAfterMs> {
    const wait = this.#waits.get(waitKey(service))
    if (wait?.isOver || !this.#isCandidate(service)) return undefined
    if (this.#leftMs(service) <= 0) return wait && this.#end(service, late)
    if (wait === undefined && !(await this.#isAwaiting(service))) return undefined
    const planned = await this.#options.planner.adoptionNow(service)
    if (!isRewrite(planned)) return this.#again(service, wait)
    if (await this.#isServing(service, planned)) return this.#end(service, serving)
    return await this.#adopt(service, wait)
  }

  #isCandidate(service: KubeObject): boolean {
    const { services, records } = this.#options.mirror
    const { annotations, deletionTimestamp } = service.metadata
    if (deletionTimestamp !== undefined || isOptedOut(annotations)) return false
    return !services.isClosed(service) && !services.isTooLarge(service) && records.of(service) === undefined
  }

  /** Whether admission saw a service before its credentials: they are missing now, or are younger than it. */
  async #isAwaiting(service: KubeObject): Promise<boolean> {
    const { mirror, planner } = this.#options
    const planned = await planner.recreated(service)
    const { spec } = mirror.parsedPolicies().find(({ name }) => name === planned.policy) ?? builtInPolicy
    if (spec.mode !== 'Enforce' || spec.rewrite !== 'Spec') return false
    return isPending(planned) || (isRewrite(planned) && (await planner.credentialsCameLater(service)))
  }

  #leftMs(service: KubeObject): number {
    return createdMs(service) + awaitedForMs - this.#options.clock.now()
  }

  async #adopt(service: KubeObject, wait: Wait | undefined): Promise<RequeueAfterMs> {
    const { client, logger } = this.#options
    const answer = await adoptService(client, service, { dryRun: false })
    logger.info({ service: keyText(keyOf(service)), answer: answer.kind }, 'its credentials are there')
    return answer.kind === 'adopted' ? undefined : this.#again(service, wait)
  }

  /**
   * Whether a pod that downloaded the model is Ready. Adoption would replace such a pod while it serves.
   */
  async #isServing(service: KubeObject, { locations }: Plan): Promise<boolean> {
    const pods = await listAlivePods(this.#options.client, service)
    const sources = locations.map(({ source }) => source)
    return pods.filter(isReady).some((pod) => downloadsOf(pod).some((uri) => sources.includes(uri)))
  }

  #again(service: KubeObject, wait: Wait = { attempts: 0, isOver: false }): number {
    this.#remember(service, { ...wait, attempts: wait.attempts + 1 })
    return Math.min(firstDelayMs * 2 ** wait.attempts, longestDelayMs, this.#leftMs(service))
  }

  #end(service: KubeObject, why: string): undefined {
    this.#remember(service, { attempts: 0, isOver: true })
    const { namespace, name } = service.metadata
    const note = `${why}; \`warmgate adopt --namespace ${namespace} ${name}\` accelerates it`
    const [reason, type, action] = ['CredentialsPending', 'Warning', 'Accelerate'] as const
    this.#options.events.record({ regarding: service, type, reason, note, action })
  }

  #remember(service: KubeObject, wait: Wait): void {
    this.#waits.set(waitKey(service), wait, wait)
  }
}

const late = 'its credentials did not exist within 10 minutes: it stays as it is'
const serving = 'its credentials were created after its pods were Ready: it stays as it is'

function waitKey({ metadata: { uid = '' } }: KubeObject): string {
  return uid
}

/** Whether a plan changes the service itself. */
function isRewrite(planned: Plan): boolean {
  return (
    planned.decision === 'accelerate' &&
    !isPending(planned) &&
    planned.locations.some(({ by }) => by === 'Spec')
  )
}
