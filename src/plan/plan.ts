import type { Fill } from '../fill/fill.ts'
import { fillJob, lookJob } from '../fill/job.ts'
import { cacheObjects } from '../fluid/cache.ts'
import type { Cache } from '../fluid/desired.ts'
import type { CacheSettings } from '../fluid/runtime.ts'
import { awaitsConnection } from '../kserve/connection.ts'
import { podSourceOf } from '../kserve/location.ts'
import { readService, type ServiceReader, type ServiceView } from '../kserve/service-view.ts'
import { labelProblem } from '../policy/scope.ts'
import { unusedAnnotations } from '../policy/words.ts'
import { parseDurationMs } from '../values/duration.ts'
import { adoptAnnotation } from '../values/keys.ts'
import type { KubeObject } from '../values/object.ts'
import { quoted } from '../values/text.ts'
import { Draft, type PatchOperation, pointer } from './draft.ts'
import type { Facts } from './facts.ts'
import { type Hold, type HoldLimits, holdSettings, resolveHold } from './pod/hold.ts'
import {
  isPendingReason,
  needsWarning,
  type PendingReason,
  type Reason,
  type RefusalReason,
  type SkipReason,
} from './reasons.ts'
import { cacheSettings } from './service/cache-settings.ts'
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
import { quotaWarnings } from './service/quota.ts'
import { readRecord, type ServiceRecord, subjectOf } from './service/record.ts'
import { type RewriteContext, rewrite } from './service/rewrite.ts'
import { changesNothing } from './service/settled.ts'
import { annotationsFit, isPlannable, unplannable } from './service/size.ts'
import { describeTarget, longestFillMs } from './service/target.ts'

export interface PlanInput {
  service: KubeObject
  /** The service before this update; undefined for a new one. */
  previous?: KubeObject
  /** Plan as if the update asked to adopt the service. */
  isAdopted?: boolean
  facts: Facts
  /** The reader that `needsOf` used, if it may have read the service already. */
  read?: ServiceReader
}

interface PlanParts {
  message: string
  /** The name of the policy that decided, if any. */
  policy: string | undefined
  /** From the service in the request to `service` below; empty if they are the same. */
  patch: PatchOperation[]
  /** The service as it is admitted. */
  service: KubeObject
  /** Shown to the sender of the request. They never reveal the content of a Secret. */
  warnings: string[]
  /** The caches to create or keep. */
  caches: PlannedCache[]
  /** The locations that caches serve. */
  locations: ServedLocation[]
  /** The other locations of an accelerated service, and why they do not change. */
  skipped: { location: string; reason: RefusalReason; message: string }[]
  /** Caches that the service uses and that Warmgate cannot create again today. */
  unavailable: { cache: string; reason: RefusalReason; message: string }[]
  hold: Hold | undefined
  /** Why `hold.at: Auto` resolves to Scheduling; undefined if it does not. */
  holdReason: string | undefined
}

/** A cache, and the download into a mirror that comes before it, if there is one. */
export interface PlannedCache extends Cache {
  fill?: Fill
}

/** A model location and the PVC that serves it. */
export interface ServedLocation {
  location: string
  uri: string
  /** The model URI that KServe gives the service's pods. */
  source: string
  claim: string
  by: 'Spec' | 'Pod'
}

/**
 * The decision for one service. An `AlreadyCached` plan lists the caches too: the service still uses them.
 */
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
 * Decides what Warmgate does with one service. Admission, the controller and the command line get the same
 * result for the same input. The plan first undoes Warmgate's earlier changes to get the manifest that the
 * user wrote, so that repeated passes end in the same object.
 */
export function plan(input: PlanInput): Plan {
  const { service, previous } = input
  if (![service, previous].every(isPlannable)) return tooLarge(service, previous)
  return planned(input)
}

/**
 * Warnings about labels and annotations for Warmgate that have no effect. A service that opted out gets none.
 * If the namespace is not opted in, only its label is checked, and only when the service is created.
 */
function annotationWarnings({ decision, reason }: Plan, { service, previous, facts }: PlanInput): string[] {
  if (decision === 'deny' || reason === 'OptedOut') return []
  if (reason !== 'NotOptedIn') return unusedAnnotations(service, previous)
  const problem = previous === undefined ? labelProblem(facts.namespaceLabels) : undefined
  return problem === undefined ? [] : [`warmgate: ${problem}`]
}

function planned(input: PlanInput): Plan {
  const { service, previous, isAdopted = false, facts, read = readService } = input
  const requestsAdoption = asksForAdoption(service, previous)
  // The stored record (`before`) is more reliable: the user can write the annotation in the request (`own`).
  const own = readRecord(service, facts.signer, subjectOf(service, facts.namespace))
  const before = previous && readRecord(previous, facts.signer, subjectOf(previous, facts.namespace))
  // A proven record in the request comes from an earlier webhook pass. It is newer and may name the same PVC.
  const records = (own?.isProven ? [own, before] : [before, own]).filter((record) => record !== undefined)
  const draft = withoutRewrite({ service, previous }, records, requestsAdoption)
  const adopts = isAdopted || requestsAdoption || isSecondPass(own, { previous, before })
  // An adoption replaces a record without a valid signature.
  const kept = adopts && before?.isProven === false ? undefined : before
  const view = read(draft.object, facts)
  const decision = decide({
    service: view,
    previous: previous && readService(previous, facts),
    kept,
    isAdopted: adopts,
    isUnchanged: () => previous !== undefined && changesNothing({ service, previous }),
    facts,
  })
  // Warn only on creation and on a request for adoption: KServe's controller also updates services.
  const shouldWarn: ShouldWarn = (reason) =>
    requestsAdoption || (previous === undefined && needsWarning(reason))
  const undone = () => withoutRewrite({ service, previous }, records, requestsAdoption)
  const decided =
    decision.kind === 'accelerate'
      ? accelerated(decision, { draft, view, previous, shouldWarn, facts, kept, own, undone })
      : refusal(decision, draft, shouldWarn)
  // Another webhook has yet to run, after which the API server calls this one again.
  const isFirstPass = previous === undefined && awaitsConnection(view)
  const warnings = isFirstPass ? [] : [...decided.warnings, ...annotationWarnings(decided, input)]
  return { ...decided, warnings }
}

type Accelerating = AccelerationContext & Pick<RewriteContext, 'kept' | 'own'> & { undone: () => Draft }

/** Rewrites the draft, unless the API server would reject its annotations with the record as too large. */
function accelerated(decision: Acceleration, { undone, ...making }: Accelerating): Plan {
  const { draft, kept, shouldWarn } = making
  rewrite(draft, decision, making)
  return kept === undefined && !annotationsFit(draft.object)
    ? refusal(noRoom, undone(), shouldWarn)
    : acceleration(decision, making)
}

/** What a plan waits for: credentials or a configuration that do not exist yet. */
export function pendingReason({
  reason,
  skipped,
}: Pick<Plan, 'reason' | 'skipped'>): PendingReason | undefined {
  return [reason, ...skipped.map((each) => each.reason)].find(isPendingReason)
}

/** The service as its user wrote it. */
function withoutRewrite(
  { service, previous }: { service: KubeObject; previous: KubeObject | undefined },
  records: ServiceRecord[],
  requestsAdoption: boolean,
): Draft {
  const draft = new Draft(service)
  if (requestsAdoption) dropAdoptAnnotation(draft)
  const write = previous && { previous, service }
  for (const { original } of records) restore(draft, original, write)
  return draft
}

const noRoom: RefusedDecision = {
  kind: 'skip',
  reason: 'TooLarge',
  message: 'the record of the rewrite does not fit in the annotations of the service (256 KiB in total)',
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

/** Whether to send a warning for a reason. */
type ShouldWarn = (reason: Reason) => boolean

function asksForAdoption({ metadata }: KubeObject, previous: KubeObject | undefined): boolean {
  const asked = (annotations: { [key: string]: string } = {}) => annotations[adoptAnnotation] !== undefined
  return previous !== undefined && asked(metadata.annotations) && !asked(previous.metadata.annotations)
}

/** KServe copies annotations to pods: if the adopt annotation stayed, removing it later would roll them. */
function dropAdoptAnnotation(draft: Draft): void {
  draft.remove(pointer('metadata', 'annotations', adoptAnnotation))
  draft.removeIfEmpty('/metadata/annotations')
}

/**
 * Whether the API server calls the webhook again with the webhook's own result. The first pass has removed
 * the adopt annotation, so the record is the only trace of the adoption.
 */
function isSecondPass(
  own: ServiceRecord | undefined,
  { previous, before }: { previous: KubeObject | undefined; before: ServiceRecord | undefined },
): boolean {
  return previous !== undefined && own?.isProven === true && before?.isProven !== true
}

/** What a review answers of a plan. */
export type Ruling = Pick<Plan, 'decision' | 'reason' | 'message' | 'patch' | 'warnings'>

/** The ruling of a plan for an update that is settled (`isSettled`). */
export const settled: Ruling = {
  decision: 'skip',
  reason: 'AlreadyCached',
  message: 'nothing has changed',
  patch: [],
  warnings: [],
}

/** The objects that a plan needs, in the order in which they are created. */
export function siblingsOf({ caches }: Plan): KubeObject[] {
  return caches.flatMap(({ fill, ...cache }) => [...fillJobs(cache, fill), ...cacheObjects(cache)])
}

/** The Jobs of a download: it is made only if the first of them finds nothing. */
function fillJobs({ name, namespace }: Cache, fill: Fill | undefined): KubeObject[] {
  if (fill === undefined) return []
  const cache = { name, namespace, fill }
  return [...(fill.settings.mode === 'Always' ? [] : [lookJob(cache)]), fillJob(cache)]
}

type RefusedDecision = Exclude<Decision, { kind: 'accelerate' }>

function refusal(decision: RefusedDecision, draft: Draft, shouldWarn: ShouldWarn): Plan {
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

/**
 * Hides what a Secret holds, because every caller of the webhook can read its response. An Event on the
 * stored service has the details.
 */
function publicMessage(reason: Reason, message: string): string {
  if (reason === 'CredentialsPending') return pendingMessage
  return readsSecrets.has(reason)
    ? 'its credentials cannot be used; an Event on the service says why'
    : message
}

const pendingMessage =
  'its service account or a Secret does not exist yet; an Event on the service names it. If it is created within 10 minutes, the service is accelerated'

const readsSecrets: ReadonlySet<Reason> = new Set<Reason>(['CredentialsMissing', 'WorkloadIdentity'])

interface AccelerationContext {
  draft: Draft
  view: ServiceView
  previous: KubeObject | undefined
  shouldWarn: ShouldWarn
  facts: Facts
}

function acceleration(
  { rewrites, skipped, policy }: Acceleration,
  { draft, view, previous, shouldWarn, facts }: AccelerationContext,
): Plan {
  const patch = draft.patch()
  const settings = holdSettings(policy.spec, longestFillMs(rewrites))
  const hold = settings && resolveHold(settings, limitsOf(view, draft.object))
  const isNew = previous === undefined && servesOne(rewrites)
  const caches = cachesFor(rewrites, facts.namespace, cacheSettings(policy.spec))
  const base = {
    message: rewrites.map((each) => `${quoted(each.uri)} is served from ${describeTarget(each)}`).join('; '),
    policy: policy.name,
    patch,
    service: draft.object,
    warnings: [
      ...skipped.filter(({ reason }) => shouldWarn(reason)).map(skippedWarning),
      ...podRewriteWarning(rewrites, shouldWarn),
      // Only on creation, because KServe's controller updates services all the time.
      ...(isNew ? probeWarnings(view, hold) : []),
      ...(isNew && settings && hold
        ? deadlineWarnings(view, { settings, hold, admitted: draft.object })
        : []),
      ...(shouldWarn('Quota')
        ? quotaWarnings(caches, facts, parseDurationMs(policy.spec.warmup.boundTimeout) ?? 0)
        : []),
    ],
    caches,
    locations: rewrites.map(servedLocation),
    skipped: skipped.map(({ location, reason, message }) => ({ location: location.id, reason, message })),
    unavailable: rewrites.flatMap(({ cache, unavailable }) =>
      unavailable === undefined ? [] : [{ cache, reason: unavailable.reason, message: unavailable.message }],
    ),
    hold,
    holdReason: hold && settings?.at === 'Auto' ? schedulingReason(view, hold) : undefined,
  }
  if (rewrites.some(({ unavailable }) => unavailable?.reason === unproven.reason))
    return { ...base, ...unproven, decision: 'skip' }
  // Every pass after the first has an empty patch. With `rewrite: Pod` every patch is empty: only creation
  // counts.
  const isFirst = patch.length > 0 || (previous === undefined && rewrites.some(({ by }) => by === 'Pod'))
  return isFirst
    ? { ...base, decision: 'accelerate', reason: 'Accelerated' }
    : { ...base, decision: 'skip', reason: 'AlreadyCached' }
}

/** The limits of a hold that are known before the service has pods. */
function limitsOf(view: ServiceView, admitted: KubeObject): HoldLimits {
  const probes = serverProbes(view).map(({ allowsMs }) => allowsMs)
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

/** Warns a user who asks for an adoption if there is nothing to change. */
function podRewriteWarning(rewrites: Rewrite[], shouldWarn: ShouldWarn): string[] {
  return shouldWarn('Accelerated') && rewrites.every(({ by }) => by === 'Pod')
    ? [
        'warmgate: nothing to adopt: with rewrite: Pod each new pod of this service is redirected to its cache',
      ]
    : []
}

function servedLocation(rewrite: Rewrite): ServedLocation {
  const { location, uri, by } = rewrite
  return { location: location.id, uri, source: podSourceOf(location.model), claim: claimUri(rewrite), by }
}

/**
 * One cache per name: two locations of the same model share a cache, and so may two models under one prefix.
 */
function cachesFor(rewrites: Rewrite[], namespace: string, settings: CacheSettings): PlannedCache[] {
  const caches = rewrites.flatMap(({ cache, provision }) => {
    if (provision === undefined) return []
    const sharing = rewrites.filter((each) => each.cache === cache && each.provision !== undefined)
    const paths = [...new Set(sharing.map(({ path = '' }) => path))]
    const filledFrom = provision.fill && { filledFrom: provision.fill.model }
    return [{ ...provision, ...filledFrom, name: cache, namespace, settings, paths }]
  })
  return [...new Map(caches.map((cache) => [cache.name, cache])).values()]
}
