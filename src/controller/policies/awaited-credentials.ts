import { adoptService, isReady, listAlivePods } from '../../cluster/adoption.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import type { Planner } from '../../cluster/planner.ts'
import { serviceResource } from '../../cluster/services.ts'
import { downloadsOf } from '../../kserve/pod.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import { isOptedOut } from '../../plan/facts.ts'
import { type Plan, pendingReason } from '../../plan/plan.ts'
import type { PendingReason } from '../../plan/reasons.ts'
import { builtInPolicy } from '../../policy/policy.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Clock } from '../../values/clock.ts'
import { Memory } from '../../values/memory.ts'
import { type KubeObject, keyOf, keyText, writtenMs } from '../../values/object.ts'

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
/** How long after its spec was written a service may wait for what it names. */
export const awaitedForMs = 10 * 60_000

interface Wait {
  attempts: number
  isOver: boolean
  /** When the spec of the service was written, in milliseconds since 1970. */
  sinceMs: number
  reason: PendingReason
}

/**
 * Accelerates services that were created, or got another model, before a service account, Secret, key of a
 * Secret, ServingRuntime or LLMInferenceServiceConfig that they name, as often in one file. KServe creates no
 * pod before these exist. They are not watched, because that would need rights to all Secrets: they are read
 * repeatedly, with growing delays, for a bounded time. The service carries no mark that it waits, because
 * KServe would copy an annotation into its pods. The API server records when the spec was written, so another
 * leader continues.
 */
export class AwaitedCredentialsReconciler {
  readonly #options: AwaitedCredentialsOptions
  /** By UID and generation of the service: another spec is another wait. */
  readonly #waits = new Memory<Wait>({ totalBytes: 2 ** 20, valueBytes: 2 ** 10 })

  constructor(options: AwaitedCredentialsOptions) {
    this.#options = options
  }

  /** Reconciles one service. Resolves with the time until the next check; undefined if none is needed. */
  async reconcile(service: KubeObject): Promise<RequeueAfterMs> {
    const known = this.#waits.get(waitKey(service))
    if (known?.isOver || !this.#isCandidate(service)) return undefined
    const wait = known ?? (await this.#newWait(service))
    if (wait === undefined) return undefined
    if (this.#leftMs(wait) <= 0) return this.#end(service, wait, late[wait.reason])
    const planned = await this.#options.planner.adoptionNow(service)
    if (!isRewrite(planned)) return this.#again(service, wait)
    if (await this.#isServing(service, planned)) return this.#end(service, wait, serving)
    return await this.#adopt(service, wait)
  }

  /** The wait of a service whose credentials were missing when its spec was written, and not long ago. */
  async #newWait(service: KubeObject): Promise<Wait | undefined> {
    const { client, clock, planner } = this.#options
    const state = await this.#stateOf(service)
    if (state === undefined) return undefined
    const earliestMs = clock.now() - awaitedForMs
    // Read no service whose credentials came long ago.
    if (state === 'Came' && !(await planner.credentialsWrittenSince(service, earliestMs))) return undefined
    const stored = await client.get(serviceResource(service), keyOf(service))
    if (stored === undefined) return undefined
    const reason = state === 'Came' ? 'CredentialsPending' : state
    const wait: Wait = { attempts: 0, isOver: false, sinceMs: writtenMs(stored, 'spec'), reason }
    if (wait.sinceMs <= earliestMs) {
      this.#remember(service, { ...wait, isOver: true })
      return undefined
    }
    const isAwaited = state !== 'Came' || (await planner.credentialsWrittenSince(service, wait.sinceMs))
    return isAwaited ? wait : undefined
  }

  #isCandidate(service: KubeObject): boolean {
    const { services } = this.#options.mirror
    const { annotations, deletionTimestamp } = service.metadata
    if (deletionTimestamp !== undefined || isOptedOut(annotations)) return false
    return !services.isClosed(service) && !services.isTooLarge(service)
  }

  /** What a service waits for; `Came` if it would be accelerated with what is there. */
  async #stateOf(service: KubeObject): Promise<PendingReason | 'Came' | undefined> {
    const { mirror, planner } = this.#options
    const isRecorded = mirror.records.of(service) !== undefined
    const planned = await (isRecorded ? planner.adoption(service) : planner.recreated(service))
    const { spec } = mirror.parsedPolicies().find(({ name }) => name === planned.policy) ?? builtInPolicy
    if (spec.mode !== 'Enforce' || spec.rewrite !== 'Spec') return undefined
    return pendingReason(planned) ?? (isRewrite(planned) ? 'Came' : undefined)
  }

  #leftMs({ sinceMs }: Wait): number {
    return sinceMs + awaitedForMs - this.#options.clock.now()
  }

  async #adopt(service: KubeObject, wait: Wait): Promise<RequeueAfterMs> {
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

  #again(service: KubeObject, wait: Wait): number {
    this.#remember(service, { ...wait, attempts: wait.attempts + 1 })
    return Math.min(firstDelayMs * 2 ** wait.attempts, longestDelayMs, this.#leftMs(wait))
  }

  #end(service: KubeObject, wait: Wait, why: string): undefined {
    this.#remember(service, { ...wait, isOver: true })
    const { namespace, name } = service.metadata
    const note = `${why}; \`warmgate adopt --namespace ${namespace} ${name}\` accelerates it`
    const { reason } = wait
    const [type, action] = ['Warning', 'Accelerate'] as const
    this.#options.events.record({ regarding: service, type, reason, note, action })
  }

  #remember(service: KubeObject, wait: Wait): void {
    this.#waits.set(waitKey(service), wait, wait)
  }
}

const late: Record<PendingReason, string> = {
  CredentialsPending: 'its credentials did not exist within 10 minutes: it stays as it is',
  ConfigurationPending: 'its configuration did not exist within 10 minutes: it stays as it is',
}
const serving = 'its credentials were created after its pods were Ready: it stays as it is'

function waitKey({ metadata: { uid = '', generation = 0 } }: KubeObject): string {
  return `${uid}/${generation}`
}

/** Whether a plan changes the service itself. */
function isRewrite(planned: Plan): boolean {
  return (
    planned.decision === 'accelerate' &&
    pendingReason(planned) === undefined &&
    planned.locations.some(({ by }) => by === 'Spec')
  )
}
