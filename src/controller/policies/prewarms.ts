import type { Mirror } from '../../cluster/mirror.ts'
import type { Planner } from '../../cluster/planner.ts'
import { serviceId } from '../../cluster/services.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import type { Plan } from '../../plan/plan.ts'
import type { Reason } from '../../plan/reasons.ts'
import type { Policy } from '../../policy/policy.ts'
import { type PrewarmedModel, prewarmedModels, prewarmedNamespaces } from '../../policy/prewarm.ts'
import type { KubeObject, ObjectKey } from '../../values/object.ts'
import { quoted } from '../../values/text.ts'
import { policyIn } from '../caches/service-usage.ts'
import type { ErrorReporter } from '../errors.ts'
import { type CachePath, ownedCaches, type PodRewriteUsage } from './pod-rewrites.ts'

interface PrewarmOptions {
  mirror: Mirror
  planner: Planner
  events: EventRecorder
  errors: ErrorReporter
  podRewrites: PodRewriteUsage
}

/** What has become of the models that a policy lists for one namespace. */
export interface PrewarmState {
  /** A part of a cache for each model that has one. */
  caches: (ObjectKey & { path: string })[]
  /** Models that a Dataset of a team serves: nothing is made for them. */
  served: number
  /** Why the others have none. */
  refused: string[]
}

// Credentials, Fluid's kinds and the configuration of KServe change without an event here.
const resyncMs = 30_000

/** Reasons by which a policy does not act in a namespace at all: what it has made there is given up. */
const outOfScope: ReadonlySet<Reason> = new Set<Reason>(['NotOptedIn', 'OptedOut', 'NoPolicy', 'AuditOnly'])

/**
 * Plans the models that policies list in `spec.prewarm`, so that their caches are made, filled and warmed as if a
 * service named them. The policy is the owner of these caches. A model that leaves the list leaves a cache that nothing
 * uses, which is retained or deleted like any other.
 */
export class PrewarmReconciler {
  readonly #options: PrewarmOptions
  /** The policies in namespaces that are known to warm models, by the ID that they have as owners. */
  readonly #owners = new Map<string, KubeObject>()
  readonly #states = new Map<string, PrewarmState>()
  /** The caches of each model when it could be planned last. */
  readonly #planned = new Map<string, CachePath[]>()

  constructor(options: PrewarmOptions) {
    this.#options = options
  }

  /** Marks the listed models as not planned yet, so that no cache of theirs is taken for an unused one. */
  expect(): void {
    for (const { owner } of this.#listed()) {
      this.#owners.set(serviceId(owner), owner)
      this.#options.podRewrites.expect(owner)
    }
  }

  /** Plans all listed models. Calls `wake` with their caches, and whether the policy has begun or ceased to list them. */
  async reconcile(wake: (key: ObjectKey, isNew: boolean) => void): Promise<RequeueAfterMs> {
    const { errors, podRewrites, mirror } = this.#options
    const listed = this.#listed()
    const ids = new Set(listed.map(({ owner }) => serviceId(owner)))
    const use = (owner: KubeObject, caches: CachePath[]) => {
      const before = podRewrites.names(owner)
      const { namespace = '' } = owner.metadata
      for (const name of podRewrites.set(owner, caches))
        wake({ namespace, name }, before.includes(name) !== podRewrites.has(owner, name))
    }
    for (const { owner, policy } of listed) {
      this.#owners.set(serviceId(owner), owner)
      const caches = await errors.attempt('prewarms', owner, () => this.#plan(owner, policy))
      if (caches === undefined) podRewrites.keep(owner, ownedCaches(owner, mirror))
      else use(owner, caches)
    }
    for (const [id, owner] of this.#owners) {
      if (ids.has(id)) continue
      this.#owners.delete(id)
      this.#states.delete(id)
      use(owner, [])
    }
    this.#forget(ids)
    return listed.length === 0 ? undefined : resyncMs
  }

  /** What has become of the models of a policy, in all namespaces; undefined if it lists none. */
  stateOf(policy: string): PrewarmState | undefined {
    const states = [...this.#owners].flatMap(([id, { metadata }]) =>
      metadata.name === policy ? (this.#states.get(id) ?? []) : [],
    )
    if (states.length === 0) return undefined
    return {
      caches: states.flatMap(({ caches }) => caches),
      served: states.reduce((sum, { served }) => sum + served, 0),
      refused: states.flatMap(({ refused }) => refused),
    }
  }

  /** Each policy that lists models, in each of their namespaces. */
  #listed(): { owner: KubeObject; policy: Policy }[] {
    const { mirror } = this.#options
    return mirror.parsedPolicies().flatMap((policy) => {
      const object = mirror.policies.get({ name: policy.name })
      if (object === undefined || object.metadata.deletionTimestamp !== undefined) return []
      return prewarmedNamespaces(policy).map((namespace) => ({ owner: policyIn(object, namespace), policy }))
    })
  }

  async #plan(owner: KubeObject, policy: Policy): Promise<CachePath[]> {
    const { mirror, planner } = this.#options
    const { namespace = '' } = owner.metadata
    const state: PrewarmState = { caches: [], served: 0, refused: [] }
    this.#states.set(serviceId(owner), state)
    const known = mirror.namespaces.get({ name: namespace })
    if (known === undefined || known.metadata.deletionTimestamp !== undefined) {
      state.refused.push(`namespace ${namespace} does not exist`)
      return []
    }
    const kept: CachePath[] = []
    for (const model of prewarmedModels(policy, namespace)) {
      const id = modelId(owner, model)
      const planned = await planner.prewarmed(policy, namespace, model)
      const caches = planned.caches.flatMap(({ name, paths }) => paths.map((path) => ({ cache: name, path })))
      if (planned.locations.length > 0) {
        this.#planned.set(id, caches)
        state.caches.push(...caches.map(({ cache, path }) => ({ namespace, name: cache, path })))
        if (caches.length === 0) state.served += 1
        kept.push(...caches)
        continue
      }
      state.refused.push(`${quoted(model.uri)} in ${namespace} (${planned.reason}): ${planned.message}`)
      if (outOfScope.has(planned.reason)) this.#planned.delete(id)
      else this.#report(owner, model, planned)
      // A Secret that is away for a moment takes no cache with it.
      kept.push(...(this.#planned.get(id) ?? []))
    }
    return kept
  }

  #report(owner: KubeObject, { uri }: PrewarmedModel, { reason, message }: Plan): void {
    this.#options.events.record({
      regarding: owner,
      type: 'Warning',
      reason: 'PrewarmRefused',
      note: `${quoted(uri)} is not warmed ahead (${reason}): ${message}`,
      action: 'Prewarm',
    })
  }

  #forget(ids: ReadonlySet<string>): void {
    for (const id of this.#planned.keys()) if (!ids.has(id.split(' ', 1)[0] ?? '')) this.#planned.delete(id)
  }
}

function modelId(owner: KubeObject, { uri, serviceAccount }: PrewarmedModel): string {
  return `${serviceId(owner)} ${serviceAccount} ${uri}`
}

/** The plan of the model for which a policy keeps a cache; undefined if it lists none for it any more. */
export async function prewarmedPlan(
  { mirror, planner }: Pick<PrewarmOptions, 'mirror' | 'planner'>,
  { metadata: { namespace = '', name } }: KubeObject,
  cache: string,
): Promise<Plan | undefined> {
  const policy = mirror.parsedPolicies().find((each) => each.name === name)
  if (policy === undefined) return undefined
  let refused: Plan | undefined
  for (const model of prewarmedModels(policy, namespace)) {
    const planned = await planner.prewarmed(policy, namespace, model)
    if (planned.caches.some((each) => each.name === cache)) return planned
    if (planned.locations.length === 0) refused ??= planned
  }
  return refused
}
