import { isDeepStrictEqual } from 'node:util'
import { cacheName } from '../../fluid/name.ts'
import { localModelOf } from '../../kserve/local-model.ts'
import type { ModelLocation, ModelReference } from '../../kserve/model-location.ts'
import { annotationObstacle } from '../../kserve/obstacle.ts'
import type { ServiceView } from '../../kserve/service-view.ts'
import { applyOverrides, choosePolicy, type Overridden } from '../../policy/overrides.ts'
import { builtInPolicy, type Policy, rewritesPods, selectPolicy } from '../../policy/policy.ts'
import { isNamespaceOptedOut, isOptedIn, labelProblem } from '../../policy/scope.ts'
import { unknownAnnotation } from '../../policy/words.ts'
import {
  accelerationLabel,
  isWarmgateKey,
  originalAnnotation,
  overrideAnnotation,
} from '../../values/keys.ts'
import { withinCacheLimit } from '../cache/cache-limit.ts'
import { type Facts, isOptedOut } from '../facts.ts'
import type { RefusalReason } from '../reasons.ts'
import { downloadObstacle, isUnfit } from './downloads.ts'
import { type FilledSource, forbidden, isAnsweredByFill, readFilled } from './fill.ts'
import { cpuFormatOf, describeAdditions } from './gpu.ts'
import type { OriginalLocation } from './original.ts'
import { withinPodSecurity } from './pod-security.ts'
import { withinQuota } from './quota.ts'
import type { ServiceRecord } from './record.ts'
import { cacheFor, type ReadSource, readSource, type SourceRefused, type SourceResult } from './source.ts'
import { describeTarget, sameCache, type Target, targetOf } from './target.ts'

interface RefusalMessage {
  message: string
  policy?: Policy
}

export type Decision =
  | (RefusalMessage & { kind: 'skip'; reason: RefusalReason })
  | (RefusalMessage & { kind: 'deny'; reason: 'InvalidOverride' })
  | Acceleration

export interface Acceleration {
  kind: 'accelerate'
  policy: Policy
  /** At least one. */
  rewrites: Rewrite[]
  /** The locations that stay as they are. */
  skipped: Skipped[]
}

/** A model location that a cache will serve. */
export interface Rewrite extends Target {
  location: ModelLocation
  /** The resolved URI of its model. */
  uri: string
  /** Why a kept cache cannot be created again. */
  unavailable?: SourceRefused
  /** Spec: rewrite the service. Pod: rewrite each pod at creation. */
  by: 'Spec' | 'Pod'
}

export interface Skipped {
  location: ModelLocation
  reason: RefusalReason
  message: string
}

export interface DecideInput {
  /** The service as its user wrote it, without Warmgate's changes. */
  service: ServiceView
  previous: ServiceView | undefined
  /** The record of the service before this update, if its rewrites are kept. */
  kept: ServiceRecord | undefined
  /** Whether the user asks to accelerate models that existed before. */
  isAdopted: boolean
  /** Whether the update leaves the manifest as it is. */
  isUnchanged: () => boolean
  facts: Facts
}

/** Decides whether and how to accelerate a service. The first check that fails gives the reason. */
export function decide(input: DecideInput): Decision {
  const { service, facts } = input
  if (isOptedOut(service.annotations)) return skip('OptedOut', 'the service opts out by annotation')
  if (isNamespaceOptedOut(facts.namespaceLabels)) return skip('OptedOut', namespaceOptedOut)
  const { locations, none } = service
  const states = locationStates(input)
  const isKept = keepsSome(states)
  if (!isKept && !isOptedIn(facts.namespaceLabels) && policyOf(input) === undefined)
    return skip('NotOptedIn', labelProblem(facts.namespaceLabels) ?? notOptedIn)
  if (locations.length === 0) return skip(none.reason, none.message)
  if (!isKept) {
    const obstacle = serviceObstacle(service, facts) ?? commonObstacle(locations)
    if (obstacle !== undefined) return obstacle
  }
  const resolved = resolvePolicy(input, states)
  return resolved.kind === 'resolved' ? withPolicy(input, states, resolved.policy) : resolved
}

const notOptedIn = `the namespace has no label ${accelerationLabel}: enabled, and no policy with scope: Cluster matches it`
const namespaceOptedOut = `the namespace opts out (label ${accelerationLabel}: disabled), or is a system namespace`

/** A location in an update: rewritten before (`kept`), existing and not accelerated (`old`), or new. */
type LocationState =
  | { kind: 'kept'; location: ModelLocation; before: OriginalLocation }
  | { kind: 'old' | 'new'; location: ModelLocation }

/**
 * Keeps each location as it is until its model changes, accelerated or not, even if policies or labels have
 * changed: an update that changes no model never rolls pods. Exceptions are the service's own annotations,
 * and an update that makes the model unfit for a cache.
 */
function locationStates({ service, previous, kept, isAdopted, isUnchanged }: DecideInput): LocationState[] {
  const isNew = previous === undefined || isAdopted || isOptedOut(previous.annotations)
  const old = isNew ? [] : previous.locations
  const models = new Map(old.map(({ id, model }) => [id, model]))
  const were = new Map(previous?.locations.map((location) => [location.id, location]))
  return service.locations.map((location) => {
    const { id, model } = location
    const before =
      kept && Object.hasOwn(kept.original.locations, id) ? kept.original.locations[id] : undefined
    if (before !== undefined)
      return isRecorded(location, before) && (!becameUnfit(location, were.get(id), service) || isUnchanged())
        ? { kind: 'kept', location, before }
        : { kind: 'new', location }
    const was = models.get(id)
    return { kind: was !== undefined && isSameModel(was, model) ? 'old' : 'new', location }
  })
}

/** Compares both under today's configuration, so that a change in the cluster is no change of the service. */
function becameUnfit(location: ModelLocation, was: ModelLocation | undefined, service: ServiceView): boolean {
  return was !== undefined && isUnfit(location, service) && !isUnfit(was, service)
}

function keepsSome(states: LocationState[]): boolean {
  return states.some(({ kind }) => kind === 'kept')
}

function isRecorded({ model }: ModelLocation, { uri, storage }: OriginalLocation): boolean {
  return model.kind === 'uri'
    ? storage === undefined && uri === model.uri
    : isDeepStrictEqual(storage, model.storage)
}

/** Ignores the field, because KServe's defaulter moves a model to another field. */
function isSameModel(a: ModelReference, b: ModelReference): boolean {
  if (a.kind === 'uri') return b.kind === 'uri' && a.uri === b.uri
  return b.kind === 'storage' && isDeepStrictEqual(a.storage, b.storage)
}

type RefusedDecision = Exclude<Decision, Acceleration>
type ResolvedPolicy = { kind: 'resolved'; policy: Policy } | RefusedDecision

/** The policy that matches a service, without the service's overrides. */
function policyOf({ service, facts }: DecideInput): Policy | undefined {
  const labels = { namespace: facts.namespaceLabels, service: service.labels }
  return selectPolicy(facts.policies, labels)
}

/** The policy of a service, with the service's overrides. */
function resolvePolicy(input: DecideInput, states: LocationState[]): ResolvedPolicy {
  const { service, facts } = input
  // Keep an existing rewrite even if its policy is gone or changed; otherwise editing a policy would roll
  // pods.
  const isKept = keepsSome(states)
  const selected = policyOf(input) ?? (isKept ? builtInPolicy : undefined)
  if (states.every(({ kind }) => kind === 'old') && !(selected && rewritesPods(selected)))
    return skip('NotOptedIn', existedBefore)
  if (selected === undefined) return skip('NoPolicy', 'no AccelerationPolicy matches this service')
  const overridden = withOverrides(selected, service, facts)
  if (!overridden.ok) {
    if (isKept && !changesOverrides(input)) return { kind: 'resolved', policy: selected }
    return refuseOverrides(input, states, { message: overridden.message, policy: selected })
  }
  const { policy } = overridden
  if (policy.spec.mode === 'Off' && !isKept) return { ...skip('NoPolicy', isOff(policy)), policy }
  return { kind: 'resolved', policy }
}

const existedBefore = 'the service existed before: an update that changes no model never rolls its pods'
const isOff = ({ name }: Policy) => `AccelerationPolicy ${name} is Off`

function withOverrides(selected: Policy, service: ServiceView, { policies }: Facts): Overridden {
  const unknown = unknownAnnotation(service.annotations)
  if (unknown !== undefined) return { ok: false, message: unknown.message }
  const chosen = choosePolicy(selected, policies, service.annotations)
  const applied = chosen.ok ? applyOverrides(chosen.policy, service.annotations) : chosen
  return applied.ok ? refuseGpuOnCpu(applied, service) : applied
}

/**
 * Deny only new overrides: an update by KServe's controller must not fail because of existing annotations.
 */
function refuseOverrides(
  input: DecideInput,
  states: LocationState[],
  { message, policy }: { message: string; policy: Policy },
): RefusedDecision {
  const isOld = states.every(({ kind }) => kind === 'old') && !changesOverrides(input)
  return isOld
    ? { ...skip('NotOptedIn', `${message}; ${existedBefore}`), policy }
    : { kind: 'deny', reason: 'InvalidOverride', message, policy }
}

/** Refuses an explicit request for GPUs if the model format runs on CPUs. */
function refuseGpuOnCpu(overridden: Overridden, service: ServiceView): Overridden {
  const annotation = overrideAnnotation('gpu')
  const format = service.annotations[annotation] === 'enabled' ? cpuFormatOf(service) : undefined
  return format === undefined
    ? overridden
    : { ok: false, message: `${annotation}: "enabled" is not valid: models of format ${format} run on CPUs` }
}

/** Whether a service's Warmgate annotations are new or have changed. */
function changesOverrides({ service, previous }: DecideInput): boolean {
  const keys = Object.keys(service.annotations).filter(isWarmgateKey)
  return keys.some((key) => service.annotations[key] !== previous?.annotations[key])
}

function withPolicy(input: DecideInput, states: LocationState[], policy: Policy): Decision {
  const { service } = input
  const isKept = keepsSome(states)
  const decisions = states.map((state) => decideLocation(state, { ...input, policy, isKept }))
  const whole = decisions.map((each) => withGroup(each, decisions))
  const rewrites = whole.filter((each) => 'cache' in each)
  const skipped = whole.filter((each) => 'reason' in each)
  const [first] = skipped
  const audited = first?.reason === 'AuditOnly' ? describeAdditions(service, policy.spec) : ''
  if (rewrites.length === 0 && first !== undefined)
    return { kind: 'skip', reason: first.reason, message: first.message + audited, policy }
  return { kind: 'accelerate', policy, rewrites, skipped }
}

type LocationContext = Pick<DecideInput, 'service' | 'kept' | 'facts'> & { policy: Policy; isKept: boolean }

/** Decides one location, without regard to the others of its group. */
function decideLocation(state: LocationState, context: LocationContext): Rewrite | Skipped {
  if (state.kind === 'kept') return keep(state, context)
  const { service, policy, facts, kept, isKept } = context
  const { location } = state
  const read = readSource(location, policy, facts)
  const { mode } = policy.spec
  const by = rewritesPods(policy) ? 'Pod' : 'Spec'
  const skipLocation = (reason: RefusalReason, message: string) => ({ location, reason, message })
  if (location.obstacle !== undefined)
    return skipLocation(location.obstacle.reason, location.obstacle.message)
  // Check first: a location on the user's own PVC must never block its group.
  if (!read.ok && read.reason === 'PvcSource') return skipLocation(read.reason, read.message)
  if (state.kind === 'old' && by === 'Spec') return skipLocation('NotOptedIn', existedBefore)
  // All locations of a service share one record, and this record has no valid signature.
  if (isKept && kept?.isProven === false) return skipLocation(unproven.reason, unproven.message)
  if (mode === 'Off') return skipLocation('NoPolicy', isOff(policy))
  const chosen = withConfiguration(chooseTarget(location, read, context), location, { service, facts })
  const admitted = withinCacheLimit(withinPodSecurity(chosen, facts), policy, facts)
  const target = withinQuota(admitted, policy.spec, facts)
  if (!target.ok) return skipLocation(target.reason, target.message)
  const { uri } = target
  if (mode === 'Audit')
    return skipLocation('AuditOnly', `${uri} would be served from ${describeTarget(target)}`)
  const problem = shapeProblem(service, location, by)
  if (problem !== undefined) return skipLocation('NoModelLocation', problem)
  const { cache, path, existing, provision } = target
  return { location, uri, cache, path, existing, provision, by }
}

type ChosenTarget = (Target & { ok: true; uri: string }) | SourceRefused

/**
 * Chooses the cache of a model: a mount of its source, or of a mirror that a download fills. A rule with a
 * fill still mounts sources that can be mounted, unless it sets `fill.sources: All`.
 */
function chooseTarget(
  location: ModelLocation,
  read: ReadSource | SourceRefused,
  { service, policy, facts }: LocationContext,
): ChosenTarget {
  const mounted = mountedTarget(location, read, { service, policy, facts })
  if (!mounted.ok && !isAnsweredByFill(mounted.reason)) return mounted
  const told = service.kind === 'LLMInferenceService' ? undefined : annotationObstacle(location.annotations)
  const filled = told === undefined ? readFilled(location, { service, policy, facts }) : undefined
  if (filled === undefined || (mounted.ok && (!filled.ok || !filled.fillsAll))) return mounted
  if (!filled.ok) return filled
  return filled.isForbidden ? forbidden(facts) : filledTarget(filled, facts)
}

function mountedTarget(
  location: ModelLocation,
  read: ReadSource | SourceRefused,
  { service, policy, facts }: Pick<LocationContext, 'service' | 'policy' | 'facts'>,
): ChosenTarget {
  if (!read.ok) return read
  const download = downloadObstacle(location, read, { service, policy, facts })
  if (download !== undefined) return { ok: false, ...download }
  const target = targetOf(read, location, { scope: policy.spec.cache.scope, facts })
  return target.ok ? { ...target, uri: read.uri } : target
}

function filledTarget(filled: FilledSource, facts: Facts): ChosenTarget {
  const made = cacheFor(filled, facts)
  if (!made.ok) return made
  const { fill } = filled
  const provision = { source: made.source, runtime: made.runtime, ...(fill !== undefined && { fill }) }
  return { ok: true, uri: filled.uri, cache: made.name, path: undefined, existing: false, provision }
}

/** Reasons that a runtime or configuration may still change, because it may set the service account. */
const dependent: readonly RefusalReason[] = [
  'CredentialsMissing',
  'CredentialsPending',
  'WorkloadIdentity',
  'RuntimeUnavailable',
]

/**
 * Decides nothing before the runtime or configuration exists that a service names: it may say how the model is
 * read, and with which account. In a cluster it may be created a moment later, and KServe creates no pod before
 * that; files may omit it.
 */
function withConfiguration(
  chosen: ChosenTarget,
  { component }: ModelLocation,
  { service: { notFound }, facts }: Pick<LocationContext, 'service' | 'facts'>,
): ChosenTarget {
  const isFromFiles = Object.values(facts.serviceAccounts).some((account) => account.isFromFiles)
  if (notFound === undefined || component !== 'predictor' || isFromFiles) return chosen
  if (!chosen.ok && !dependent.includes(chosen.reason)) return chosen
  const message = `there is no ${notFound}, and KServe creates no pod before it exists: if it is created within 10 minutes, the service is accelerated`
  return { ok: false, reason: 'ConfigurationPending', message }
}

/** Why no cache is created for an existing rewrite. */
export const unproven = {
  reason: 'RecordUnproven',
  message: `the record on this service (${originalAnnotation}) has no valid signature of this Warmgate: the service stays as it is and gets no cache; \`warmgate adopt\` writes a new record`,
} as const

/** Keeps an existing rewrite, with its cache as it would be created today, if possible. */
function keep(
  { location, before }: LocationState & { kind: 'kept' },
  { service, kept, policy, facts }: LocationContext,
): Rewrite {
  if (kept?.isProven !== true) return rewriteOf(location, before, { ok: false, ...unproven })
  const filled = filledBefore(location, before, { service, policy, facts })
  if (filled !== undefined) return { location, by: 'Spec', ...filled }
  const read = readSource(location, policy, facts)
  const target = read.ok ? sameCache(read, { before, location }, facts) : read
  // An existing rewrite does not wait for credentials.
  const isPending = !target.ok && target.reason === 'CredentialsPending'
  return rewriteOf(location, before, isPending ? { ...target, reason: 'CredentialsMissing' } : target)
}

/** The recorded cache, if the mirror that the policy fills today is its source. */
function filledBefore(
  location: ModelLocation,
  { cache, path }: OriginalLocation,
  context: Pick<LocationContext, 'service' | 'policy' | 'facts'>,
): (Target & { uri: string }) | undefined {
  const filled = readFilled(location, context)
  if (filled?.ok !== true || path !== undefined) return undefined
  if (cacheName(context.facts.namespace, filled.source) !== cache) return undefined
  const target = filledTarget(filled, context.facts)
  return target.ok ? target : undefined
}

/** Keep the recorded rewrite. Never create objects for a Dataset that a team owns. */
function rewriteOf(location: ModelLocation, before: OriginalLocation, target: SourceResult): Rewrite {
  const { cache, path, existing = false } = before
  const rewrite = {
    location,
    uri: target.ok ? target.uri : before.uri,
    cache,
    path,
    existing,
    by: 'Spec',
  } as const
  if (existing) return { ...rewrite, provision: undefined }
  if (!target.ok) return { ...rewrite, provision: undefined, unavailable: target }
  return { ...rewrite, provision: { source: target.source, runtime: target.runtime } }
}

function shapeProblem(service: ServiceView, location: ModelLocation, by: Rewrite['by']): string | undefined {
  if (isKnativeList(service, location)) return knativeList
  const problem = by === 'Pod' ? podRewriteObstacle(service, location) : undefined
  return problem && `rewrite: Pod cannot serve ${problem}; use rewrite: Spec`
}

/**
 * KServe writes the volumes of `storageUris` into the Knative Service. It mounts any other PVC in the pod.
 */
function isKnativeList({ mode }: ServiceView, { group }: ModelLocation): boolean {
  return group.endsWith('.storageUris') && mode === 'Knative'
}

const knativeList =
  'storageUris in Knative mode would become volumes of the Knative Service, which Knative refuses by default; use storageUri, or Standard mode'

/** Why a pod cannot be rewritten at creation: KServe's pod webhook does not do its mount or download. */
function podRewriteObstacle(service: ServiceView, { group }: ModelLocation): string | undefined {
  if (service.kind === 'LLMInferenceService')
    return 'an LLMInferenceService: its controller writes the download into the workload'
  if (group.endsWith('.storageUris')) return 'storageUris: KServe writes these downloads into the workload'
  if (service.isMultiNode) return 'a multi-node service: KServe admits none but pvc:// and oci://'
  return undefined
}

/** Skips a location if another of its group is skipped. A location on the user's own PVC does not count. */
function withGroup(each: Rewrite | Skipped, all: (Rewrite | Skipped)[]): Rewrite | Skipped {
  if ('reason' in each) return each
  const { location } = each
  const blocker = all
    .filter((other) => 'reason' in other)
    .find((other) => other.location.group === location.group && other.reason !== 'PvcSource')
  if (blocker === undefined) return each
  const { reason, message } = blocker
  return {
    location,
    reason,
    message: `${blocker.location.id} is in the same group and is not accelerated: ${message}`,
  }
}

/** Refuses a service if KServe downloads nothing for it, or caches its model already. */
function serviceObstacle(service: ServiceView, facts: Facts): RefusedDecision | undefined {
  if (service.kind === 'InferenceService' && service.mode === 'ModelMesh') {
    return skip('ModelMesh', 'ModelMesh downloads its own models')
  }
  if (service.labels['internal.serving.kserve.io/localmodel'] !== undefined) {
    return skip('LocalModelCached', 'a LocalModelCache of KServe serves this model')
  }
  const found = localModelOf(service, { models: facts.localModels, config: facts.kserve })
  if (found !== undefined) return skip('LocalModelCached', `${found.kind} ${found.name} serves this model`)
  return undefined
}

function commonObstacle(locations: ModelLocation[]): RefusedDecision | undefined {
  const obstacles = locations.map(({ obstacle }) => obstacle)
  const [first] = obstacles
  return first !== undefined && obstacles.every((obstacle) => obstacle !== undefined)
    ? skip(first.reason, first.message)
    : undefined
}

function skip(reason: RefusalReason, message: string): Extract<Decision, { kind: 'skip' }> {
  return { kind: 'skip', reason, message }
}
