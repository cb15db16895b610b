import { cacheObjects } from '../fluid/cache.ts'
import type { Cache } from '../fluid/desired.ts'
import type { CacheSettings } from '../fluid/runtime.ts'
import { awaitsConnection } from '../kserve/connection.ts'
import { podSourceOf } from '../kserve/location.ts'
import { readService, type ServiceView } from '../kserve/service-view.ts'
import type { PolicySpec } from '../policy/schema.ts'
import { labelProblem } from '../policy/scope.ts'
import { unreadWords } from '../policy/words.ts'
import { adoptAnnotation } from '../values/keys.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { quoted } from '../values/text.ts'
import { Draft, type PatchOperation, pointer } from './draft.ts'
import type { Facts } from './facts.ts'
import { type Hold, type HoldLimits, holdSettings, resolveHold } from './pod/hold.ts'
import { isWorthAWarning, type Reason, type RefusalReason, type SkipReason } from './reasons.ts'
import { deadlineWarnings, serviceDeadlineMs } from './service/deadline.ts'
import {
  type Acceleration,
  type Decision,
  decide,
  type Rewrite,
  type Skipped,
  unproven,
} from './service/decide.ts'
import { claimUri, restore } from './service/original.ts'
import { probeWarnings, schedulingReason, serverProbes } from './service/probe-warnings.ts'
import { readRecord, type ServiceRecord, subjectOf } from './service/record.ts'
import { rewrite } from './service/rewrite.ts'
import { annotationsFit, isPlannable, unplannable } from './service/size.ts'
import { describeTarget } from './service/target.ts'

export interface PlanInput {
  service: KubeObject
  /** The service before this update; undefined for a new one. */
  previous?: KubeObject
  /** As if the update asked for its adoption. */
  isAdopted?: boolean
  facts: Facts
}

interface PlanParts {
  message: string
  /** The name of the policy that decided, where one did. */
  policy: string | undefined
  /** From the service that came in to the one below; empty where they are the same. */
  patch: PatchOperation[]
  /** The service as it is admitted. */
  service: KubeObject
  /** For whoever sent the request: nothing in them tells what is in a Secret. */
  warnings: string[]
  /** The caches to create or keep. */
  caches: Cache[]
  /** The locations that caches serve. */
  locations: ServedLocation[]
  /** The other locations of an accelerated service, and why they stay as they are. */
  skipped: { location: string; reason: RefusalReason; message: string }[]
  /** Caches that the service uses, and that could not be created again today. */
  unavailable: { cache: string; reason: RefusalReason; message: string }[]
  hold: Hold | undefined
  /** Why `hold.at: Auto` is Scheduling here. */
  holdReason: string | undefined
}

/** A model location and the claim that serves it. */
export interface ServedLocation {
  location: string
  uri: string
  /** As KServe tells its pods of it. */
  source: string
  claim: string
  by: 'Spec' | 'Pod'
}

/** The decision for one service. An `AlreadyCached` service keeps what it has, and so names its caches too. */
export type Plan = PlanParts &
  (
    | { decision: 'accelerate'; reason: 'Accelerated' }
    | { decision: 'skip'; reason: SkipReason }
    | { decision: 'deny'; reason: 'InvalidOverride' }
  )

const nothingServed = {
  caches: [],
  locations: [],
  skipped: [],
  unavailable: [],
  hold: undefined,
  holdReason: undefined,
}

/**
 * What Warmgate does about one service: the same answer for the same input, for admission, the controller
 * and the command line alike. It starts from the manifest as the user wrote it, whatever Warmgate has made
 * of it before, so that any number of passes end in the same object.
 */
export function plan(input: PlanInput): Plan {
  const { service, previous } = input
  if (![service, previous].every(isPlannable)) return tooLarge(service, previous)
  const made = planned(input)
  return { ...made, warnings: [...made.warnings, ...wordWarnings(made, input)] }
}

/** Warnings of words to Warmgate that have no effect; none for whoever wants nothing of it. */
function wordWarnings({ decision, reason }: Plan, { service, previous, facts }: PlanInput): string[] {
  if (decision === 'deny' || reason === 'OptedOut') return []
  if (reason !== 'NotOptedIn') return unreadWords(service, previous)
  const problem = previous === undefined ? labelProblem(facts.namespaceLabels) : undefined
  return problem === undefined ? [] : [`warmgate: ${problem}`]
}

function planned({ service, previous, isAdopted = false, facts }: PlanInput): Plan {
  const asks = asksForAdoption(service, previous)
  // The record that went through admission before is the one to believe; what the service says of itself, its
  // user may have written.
  const own = readRecord(service, facts.signer, subjectOf(service, facts.namespace))
  const before = previous && readRecord(previous, facts.signer, subjectOf(previous, facts.namespace))
  // After a first pass the service has a newer record than before, which may name the same claim.
  const records = (own?.isProven ? [own, before] : [before, own]).filter((record) => record !== undefined)
  const draft = withoutRewrite({ service, previous }, records, asks)
  const isTakenIn = isAdopted || asks || isSecondPass(own, { previous, before })
  // A record that nobody can prove is replaced when its service is adopted.
  const kept = isTakenIn && before?.isProven === false ? undefined : before
  const view = readService(draft.object, facts)
  const decision = decide({
    service: view,
    previous: previous && readService(previous, facts),
    kept,
    isAdopted: isTakenIn,
    facts,
  })
  // KServe updates a service of its own accord: whoever creates one, or asks, is told, not every later writer.
  const isTold = previous === undefined && !awaitsConnection(view)
  const shouldWarn: ShouldWarn = (reason) => asks || (isTold && isWorthAWarning(reason))
  if (decision.kind !== 'accelerate') return refusal(decision, draft, shouldWarn)
  rewrite(draft, decision, { view, kept, own, previous, facts })
  // The API server would refuse the whole service, which it took before.
  if (kept === undefined && !annotationsFit(draft.object))
    return refusal(noRoom, withoutRewrite({ service, previous }, records, asks), shouldWarn)
  return acceleration(decision, { draft, view, previous, shouldWarn, facts })
}

/** Whether a plan waits for credentials that are not there yet. */
export function isPending({ reason, skipped }: Pick<Plan, 'reason' | 'skipped'>): boolean {
  return reason === pendingReason || skipped.some((each) => each.reason === pendingReason)
}

/** The service as its user wrote it. */
function withoutRewrite(
  { service, previous }: { service: KubeObject; previous: KubeObject | undefined },
  records: ServiceRecord[],
  asks: boolean,
): Draft {
  const draft = new Draft(service)
  if (asks) dropAdoptAnnotation(draft)
  const write = previous && { previous, service }
  for (const { original } of records) restore(draft, original, write)
  return draft
}

const noRoom: Refused = {
  kind: 'skip',
  reason: 'TooLarge',
  message:
    'the annotations of the service leave no room for the record of what was rewritten (256 KiB in all)',
}

function tooLarge(service: KubeObject, previous: KubeObject | undefined): Plan {
  const warnings = previous === undefined ? [warning(unplannable)] : []
  return {
    ...nothingServed,
    ...unplannable,
    decision: 'skip',
    policy: undefined,
    patch: [],
    service,
    warnings,
  }
}

/** Whether a reason is to be told in a warning. */
type ShouldWarn = (reason: Reason) => boolean

function asksForAdoption({ metadata }: KubeObject, previous: KubeObject | undefined): boolean {
  const asked = (annotations: { [key: string]: string } = {}) => annotations[adoptAnnotation] !== undefined
  return previous !== undefined && asked(metadata.annotations) && !asked(previous.metadata.annotations)
}

/** KServe copies annotations into its pods: one that stayed would roll them when it goes. */
function dropAdoptAnnotation(draft: Draft): void {
  draft.remove(pointer('metadata', 'annotations', adoptAnnotation))
  draft.removeIfEmpty('/metadata/annotations')
}

/** A webhook is called again with its own result: the record is then the only trace of an adoption. */
function isSecondPass(
  own: ServiceRecord | undefined,
  { previous, before }: { previous: KubeObject | undefined; before: ServiceRecord | undefined },
): boolean {
  return previous !== undefined && own?.isProven === true && before?.isProven !== true
}

/** The Fluid objects that a plan needs. */
export function siblingsOf({ caches }: Plan): KubeObject[] {
  return caches.flatMap(cacheObjects)
}

type Refused = Exclude<Decision, { kind: 'accelerate' }>

function refusal(decision: Refused, draft: Draft, shouldWarn: ShouldWarn): Plan {
  const base = {
    ...nothingServed,
    message: decision.message,
    policy: decision.policy?.name,
    patch: draft.patch(),
    service: draft.object,
    warnings: shouldWarn(decision.reason) ? [warning(decision)] : [],
  }
  return decision.kind === 'deny'
    ? { ...base, decision: 'deny', reason: decision.reason, warnings: [] }
    : { ...base, decision: 'skip', reason: decision.reason }
}

function warning({ reason, message }: { reason: Reason; message: string }): string {
  return `warmgate: not accelerated (${reason}): ${publicMessage(reason, message)}`
}

/** Anybody who reaches the webhook reads its answer: what a Secret holds is for the Event on the real service. */
function publicMessage(reason: Reason, message: string): string {
  if (reason === pendingReason) return pendingMessage
  return readsSecrets.has(reason)
    ? 'its credentials cannot be used; an Event on the service says why'
    : message
}

const pendingReason = 'CredentialsPending'
const pendingMessage =
  'its service account or a Secret is not there yet; an Event on the service says which. Once it is there, a new service is accelerated by itself, for 10 minutes'

const readsSecrets: ReadonlySet<Reason> = new Set<Reason>(['CredentialsMissing', 'WorkloadIdentity'])

interface Making {
  draft: Draft
  view: ServiceView
  previous: KubeObject | undefined
  shouldWarn: ShouldWarn
  facts: Facts
}

function acceleration(
  { rewrites, skipped, policy }: Acceleration,
  { draft, view, previous, shouldWarn, facts }: Making,
): Plan {
  const patch = draft.patch()
  const wanted = holdSettings(policy.spec)
  const hold = wanted && resolveHold(wanted, limitsOf(view, draft.object, facts))
  const isNew = previous === undefined && servesOne(rewrites)
  const base = {
    message: rewrites.map((each) => `${quoted(each.uri)} is served from ${describeTarget(each)}`).join('; '),
    policy: policy.name,
    patch,
    service: draft.object,
    warnings: [
      ...skipped.filter(({ reason }) => shouldWarn(reason)).map(skippedWarning),
      ...podRewriteWarning(rewrites, shouldWarn),
      // KServe updates a service all the time: who creates it is told.
      ...(isNew ? probeWarnings(view, hold, facts) : []),
      ...(isNew && wanted && hold ? deadlineWarnings(view, { wanted, hold, admitted: draft.object }) : []),
    ],
    caches: cachesFor(rewrites, facts.namespace, cacheSettings(policy.spec)),
    locations: rewrites.map(servedLocation),
    skipped: skipped.map(({ location, reason, message }) => ({ location: location.id, reason, message })),
    unavailable: rewrites.flatMap(({ cache, unavailable }) =>
      unavailable === undefined ? [] : [{ cache, reason: unavailable.reason, message: unavailable.message }],
    ),
    hold,
    holdReason: hold && wanted?.at === 'Auto' ? schedulingReason(view, hold, facts) : undefined,
  }
  if (rewrites.some(({ unavailable }) => unavailable?.reason === unproven.reason))
    return { ...base, ...unproven, decision: 'skip' }
  // Nothing to do is what every pass after the first one finds; of a service that is left untouched, every update.
  const isFirst = patch.length > 0 || (previous === undefined && rewrites.some(({ by }) => by === 'Pod'))
  return isFirst
    ? { ...base, decision: 'accelerate', reason: 'Accelerated' }
    : { ...base, decision: 'skip', reason: 'AlreadyCached' }
}

/** As far as they can be known without its pods. */
function limitsOf(view: ServiceView, admitted: KubeObject, facts: Facts): HoldLimits {
  const probes = serverProbes(view, facts).map(({ allowsMs }) => allowsMs)
  return {
    probeMs: probes.length === 0 ? undefined : Math.min(...probes),
    deadlineMs: serviceDeadlineMs(view, admitted),
  }
}

function skippedWarning({ location, reason, message }: Skipped): string {
  return `warmgate: ${quoted(location.id)} is not accelerated (${reason}): ${publicMessage(reason, message)}`
}

function servesOne(rewrites: Rewrite[]): boolean {
  return rewrites.some(({ location: { component } }) => component === 'predictor')
}

/** To who asks for an adoption, though there is nothing to change. */
function podRewriteWarning(rewrites: Rewrite[], shouldWarn: ShouldWarn): string[] {
  return shouldWarn('Accelerated') && rewrites.every(({ by }) => by === 'Pod')
    ? ['warmgate: nothing to adopt: by rewrite: Pod each new pod of this service turns to its cache']
    : []
}

function servedLocation(rewrite: Rewrite): ServedLocation {
  const { location, uri, by } = rewrite
  return { location: location.id, uri, source: podSourceOf(location.model), claim: claimUri(rewrite), by }
}

/** One for each name: two locations of one model share theirs, and two models of one prefix. */
function cachesFor(rewrites: Rewrite[], namespace: string, settings: CacheSettings): Cache[] {
  const caches = rewrites.flatMap(({ cache, provision }) => {
    if (provision === undefined) return []
    const sharing = rewrites.filter((each) => each.cache === cache && each.provision !== undefined)
    const paths = [...new Set(sharing.map(({ path = '' }) => path))]
    return [{ ...provision, name: cache, namespace, settings, paths }]
  })
  return [...new Map(caches.map((cache) => [cache.name, cache])).values()]
}

function cacheSettings({ cache, warmup, limits }: PolicySpec): CacheSettings {
  const growTo = Math.min(cache.maxReplicas, limits.cacheReplicas ?? cache.maxReplicas)
  return {
    replicas: cache.replicas,
    ...(cache.size === 'Auto' && { growTo }),
    tieredStore: cache.tieredStore,
    nodeSelector: cache.nodeSelector,
    tolerations: cache.tolerations,
    cleanPolicy: cache.cleanPolicy,
    resources: cache.resources,
    template: cache.template as JsonObject,
    warmup: {
      enabled: warmup.enabled,
      resources: warmup.resources,
      ...(warmup.replicas !== undefined && { replicas: warmup.replicas }),
      retries: warmup.retries,
      onEviction: warmup.onEviction,
      schedule: warmup.schedule,
    },
  }
}
