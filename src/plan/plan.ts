import { type Cache, cacheObjects } from '../fluid/cache.ts'
import type { CacheSettings } from '../fluid/runtime.ts'
import { podSourceOf } from '../kserve/location.ts'
import type { PolicySpec } from '../policy/schema.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { type Acceleration, type Decision, decide, type Left, type Rewrite } from './decide.ts'
import { Draft, type PatchOperation, pointer } from './draft.ts'
import { adoptAnnotation, type Facts } from './facts.ts'
import { type Hold, holdSettings } from './hold.ts'
import { claimUri, readOriginal, restore } from './original.ts'
import { probeWarnings } from './probes.ts'
import { isWorthAWarning, type Reason, type RefusalReason } from './reasons.ts'
import { rewrite } from './rewrite.ts'
import { describeTarget } from './target.ts'

export interface PlanInput {
  service: KubeObject
  /** The service before this update; undefined for a new one. */
  previous?: KubeObject
  /** As if the update asked for its adoption. */
  isAdopted?: boolean
  facts: Facts
}

interface PlanBase {
  message: string
  /** The name of the policy that decided, where one did. */
  policy: string | undefined
  /** From the service that came in to the one below; empty where they are the same. */
  patch: PatchOperation[]
  /** The service as it is admitted. */
  service: KubeObject
  warnings: string[]
}

/** A model location and the claim that serves it. */
export interface Placement {
  location: string
  uri: string
  /** As KServe tells its pods of it. */
  source: string
  claim: string
  by: 'Spec' | 'Pod'
}

interface Accelerating {
  caches: Cache[]
  /** Caches that the service stands on, and that could not be made anew today. */
  unmade: { cache: string; reason: RefusalReason; message: string }[]
  placements: Placement[]
  hold: Hold | undefined
}

/** The decision for one service. An `AlreadyCached` service keeps what it has, and so names its caches too. */
export type Plan =
  | (PlanBase & Accelerating & { decision: 'accelerate'; reason: 'Accelerated' })
  | (PlanBase & Accelerating & { decision: 'skip'; reason: 'AlreadyCached' })
  | (PlanBase & { decision: 'skip'; reason: RefusalReason })
  | (PlanBase & { decision: 'deny'; reason: 'InvalidOverride' })

/**
 * What Warmgate does about one service: the same answer for the same input, for admission, the controller
 * and the command line alike. It starts from the manifest as the user wrote it, whatever Warmgate has made
 * of it before, so that any number of passes end in the same object.
 */
export function plan({ service, previous, isAdopted = false, facts }: PlanInput): Plan {
  const draft = new Draft(service)
  const asks = asksForAdoption(service, previous)
  if (asks) consume(draft)
  // The record that went through admission before is the one to believe; what the service says of itself, its
  // user may have written.
  const original = previous && readOriginal(previous)
  const records = [original, readOriginal(service)].filter((record) => record !== undefined)
  for (const record of records) restore(draft, record)
  const isTakenIn = isAdopted || asks || isSecondPass(service, previous)
  const decision = decide({ service: draft.object, previous, original, isAdopted: isTakenIn, facts })
  // KServe updates a service of its own accord: whoever creates one, or asks, is told, not every later writer.
  const tells: Tells = (reason) => asks || (previous === undefined && isWorthAWarning(reason))
  if (decision.kind !== 'accelerate') return refusal(decision, draft, tells)
  rewrite(draft, decision, { before: records, previous, facts })
  return acceleration(decision, { draft, previous, tells, facts })
}

/** Whether a reason is to be told in a warning. */
type Tells = (reason: Reason) => boolean

function asksForAdoption({ metadata }: KubeObject, previous: KubeObject | undefined): boolean {
  const asked = (annotations: { [key: string]: string } = {}) => annotations[adoptAnnotation] !== undefined
  return previous !== undefined && asked(metadata.annotations) && !asked(previous.metadata.annotations)
}

/** KServe copies annotations into its pods: one that stayed would roll them when it goes. */
function consume(draft: Draft): void {
  draft.remove(pointer('metadata', 'annotations', adoptAnnotation))
  draft.removeIfEmpty('/metadata/annotations')
}

/**
 * A webhook is called again with what it made: of an adoption the record is all that is left by then. Whoever
 * writes one by hand asks for no more than the annotation gives.
 */
function isSecondPass(service: KubeObject, previous: KubeObject | undefined): boolean {
  return previous !== undefined && readOriginal(service) !== undefined && readOriginal(previous) === undefined
}

/** The caches that a plan needs; none for a service that is left alone. */
export function cachesOf(plan: Plan): Cache[] {
  return plan.reason === 'Accelerated' || plan.reason === 'AlreadyCached' ? plan.caches : []
}

/** Why a cache that a service stands on cannot be made; undefined where nothing is known against it. */
export function unmadeBecause(
  plan: Plan,
  cache: string,
): { reason: RefusalReason; message: string } | undefined {
  if (plan.reason !== 'Accelerated' && plan.reason !== 'AlreadyCached') return undefined
  return plan.unmade.find((each) => each.cache === cache)
}

/** The Fluid objects that a plan needs. */
export function siblingsOf(plan: Plan): KubeObject[] {
  return cachesOf(plan).flatMap(cacheObjects)
}

export function holdOf(plan: Plan): Hold | undefined {
  return plan.reason === 'Accelerated' || plan.reason === 'AlreadyCached' ? plan.hold : undefined
}

function refusal(decision: Exclude<Decision, { kind: 'accelerate' }>, draft: Draft, tells: Tells): Plan {
  const base = {
    message: decision.message,
    policy: decision.policy?.name,
    patch: draft.patch(),
    service: draft.object,
    warnings: tells(decision.reason) ? [warning(decision)] : [],
  }
  return decision.kind === 'deny'
    ? { ...base, decision: 'deny', reason: decision.reason, warnings: [] }
    : { ...base, decision: 'skip', reason: decision.reason }
}

function warning({ reason, message }: { reason: Reason; message: string }): string {
  return `warmgate: not accelerated (${reason}): ${message}`
}

interface Making {
  draft: Draft
  previous: KubeObject | undefined
  tells: Tells
  facts: Facts
}

function acceleration(
  { rewrites, left, policy }: Acceleration,
  { draft, previous, tells, facts }: Making,
): Plan {
  const patch = draft.patch()
  const hold = holdSettings(policy.spec)
  const base = {
    message: rewrites.map((each) => `${each.uri} is served from ${describeTarget(each)}`).join('; '),
    policy: policy.name,
    patch,
    service: draft.object,
    warnings: [
      ...left.filter(({ reason }) => tells(reason)).map(leftWarning),
      ...podwise(rewrites, tells),
      // KServe updates a service all the time: who creates it is told.
      ...(previous === undefined && servesOne(rewrites) ? probeWarnings(draft.object, hold, facts) : []),
    ],
    caches: cachesFor(rewrites, facts.namespace, cacheSettings(policy.spec)),
    unmade: rewrites.flatMap(({ cache, unmade }) =>
      unmade === undefined ? [] : [{ cache, reason: unmade.reason, message: unmade.message }],
    ),
    placements: rewrites.map(toPlacement),
    hold,
  }
  // Nothing to do is what every pass after the first one finds; of a service that is left untouched, every update.
  const isFirst = patch.length > 0 || (previous === undefined && rewrites.some(({ by }) => by === 'Pod'))
  return isFirst
    ? { ...base, decision: 'accelerate', reason: 'Accelerated' }
    : { ...base, decision: 'skip', reason: 'AlreadyCached' }
}

function leftWarning({ location, reason, message }: Left): string {
  return `warmgate: ${location.id} is not accelerated (${reason}): ${message}`
}

function servesOne(rewrites: Rewrite[]): boolean {
  return rewrites.some(({ location: { component } }) => component === 'predictor')
}

/** To who asks for an adoption, though there is nothing to change. */
function podwise(rewrites: Rewrite[], tells: Tells): string[] {
  return tells('Accelerated') && rewrites.every(({ by }) => by === 'Pod')
    ? ['warmgate: nothing to adopt: by rewrite: Pod each new pod of this service turns to its cache']
    : []
}

function toPlacement(rewrite: Rewrite): Placement {
  const { location, uri, by } = rewrite
  return { location: location.id, uri, source: podSourceOf(location.model), claim: claimUri(rewrite), by }
}

/** One for each name: two locations of one model share theirs, and two models of one prefix. */
function cachesFor(rewrites: Rewrite[], namespace: string, settings: CacheSettings): Cache[] {
  const caches = rewrites.flatMap(({ cache, furnished }) => {
    if (furnished === undefined) return []
    const sharing = rewrites.filter((each) => each.cache === cache && each.furnished !== undefined)
    const paths = [...new Set(sharing.map(({ path = '' }) => path))]
    return [{ ...furnished, name: cache, namespace, settings, paths }]
  })
  return [...new Map(caches.map((cache) => [cache.name, cache])).values()]
}

function cacheSettings({ cache, warmup }: PolicySpec): CacheSettings {
  return {
    replicas: cache.replicas,
    tieredStore: cache.tieredStore,
    nodeSelector: cache.nodeSelector,
    tolerations: cache.tolerations,
    cleanPolicy: cache.cleanPolicy,
    template: cache.template as JsonObject,
    warmup: {
      enabled: warmup.enabled,
      replicas: warmup.replicas,
      retries: warmup.retries,
      onEviction: warmup.onEviction,
      schedule: warmup.schedule,
    },
  }
}
