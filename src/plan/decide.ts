import type { RuntimeName } from '../fluid/runtimes.ts'
import type { Source } from '../fluid/source.ts'
import { findModelLocations, frameworks, type ModelLocation } from '../kserve/location.ts'
import { applyOverrides, choosePolicy, type OverrideName, overrideAnnotation } from '../policy/overrides.ts'
import { builtInPolicy, type Policy, selectPolicy } from '../policy/policy.ts'
import { overrideNames } from '../policy/schema.ts'
import { type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { type Facts, isOptedIn, isOptedOut } from './facts.ts'
import type { Original, OriginalLocation } from './original.ts'
import type { RefusalReason } from './reasons.ts'
import { resolveSource } from './source.ts'

interface Refused {
  message: string
  policy?: Policy
}

export type Decision =
  | (Refused & { kind: 'skip'; reason: RefusalReason })
  | (Refused & { kind: 'deny'; reason: 'InvalidOverride' })
  | {
      kind: 'accelerate'
      policy: Policy
      location: ModelLocation
      cacheName: string
      /** Undefined where a kept cache cannot be made anew from what the cluster says today. */
      cache: { source: Source; runtime: RuntimeName } | undefined
      /** The rewrite that this service has already, and keeps. */
      kept: OriginalLocation | undefined
    }

export interface DecideInput {
  /** The service as its user wrote it: whatever Warmgate made of it is undone. */
  service: KubeObject
  previous: KubeObject | undefined
  /** What the service before this update says that Warmgate made of it. */
  original: Original | undefined
  facts: Facts
}

/** Whether and how to accelerate; each question in turn, the first that says no answers. */
export function decide(input: DecideInput): Decision {
  const { service, facts } = input
  if (isOptedOut(service.metadata.annotations)) return skip('OptedOut', 'the service opts out by annotation')
  if (!isOptedIn(facts.namespaceLabels)) {
    return skip('NotOptedIn', 'the namespace has no label warmgate.dev/acceleration: enabled')
  }
  const shape = shapeReason(service)
  if (shape !== undefined) return shape
  const found = findModelLocations(service)
  const location = found.kind === 'found' ? found.locations[0] : undefined
  if (location === undefined) {
    return skip('NoModelLocation', found.kind === 'none' ? found.message : 'the service names no model')
  }
  if (isOlderThanOptIn(input, location)) {
    return skip(
      'NotOptedIn',
      'the service was here before: an update that changes no model never rolls its pods',
    )
  }
  const governed = govern(input, location)
  return governed.kind === 'governed' ? withPolicy(input, location, governed.policy) : governed
}

/** The rewrite that an update keeps: what is accelerated stays so, until its model changes. */
function keptRewrite({ original }: DecideInput, location: ModelLocation): OriginalLocation | undefined {
  const before = original?.locations[location.id]
  return before?.uri === location.uri ? before : undefined
}

function withPolicy(input: DecideInput, location: ModelLocation, policy: Policy): Decision {
  const resolved = resolveSource(input.service, location.uri, policy, input.facts)
  const kept = keptRewrite(input, location)
  if (kept !== undefined) {
    const cache = resolved.ok ? { source: resolved.source, runtime: resolved.runtime } : undefined
    return { kind: 'accelerate', policy, location, cacheName: kept.cache, cache, kept }
  }
  if (!resolved.ok) return { kind: 'skip', reason: resolved.reason, message: resolved.message, policy }
  const { name, source, runtime } = resolved
  if (policy.spec.mode === 'Audit') {
    return { ...skip('AuditOnly', `${location.uri} would be served from cache ${name}`), policy }
  }
  return {
    kind: 'accelerate',
    policy,
    location,
    cacheName: name,
    cache: { source, runtime },
    kept: undefined,
  }
}

type Governed = { kind: 'governed'; policy: Policy } | Exclude<Decision, { kind: 'accelerate' }>

/** The policy of a service, with the service's own words in it. */
function govern(input: DecideInput, location: ModelLocation): Governed {
  const { service, facts, previous } = input
  const annotations = service.metadata.annotations ?? {}
  const labels = { namespace: facts.namespaceLabels, service: service.metadata.labels ?? {} }
  // A kept rewrite needs no policy's leave: neither a policy's end nor a new rule takes it away.
  const isKept = keptRewrite(input, location) !== undefined
  const selected = selectPolicy(facts.policies, labels) ?? (isKept ? builtInPolicy : undefined)
  if (selected === undefined) return skip('NoPolicy', 'no AccelerationPolicy matches this service')
  const chosen = choosePolicy(selected, facts.policies, annotations)
  const overridden = chosen.ok ? applyOverrides(chosen.policy, annotations) : chosen
  if (!overridden.ok) {
    if (isKept && !asksAnew(annotations, previous)) return { kind: 'governed', policy: selected }
    return { kind: 'deny', reason: 'InvalidOverride', message: overridden.message, policy: selected }
  }
  const { policy } = overridden
  if (policy.spec.mode === 'Off' && !isKept)
    return { ...skip('NoPolicy', `AccelerationPolicy ${policy.name} is Off`), policy }
  return { kind: 'governed', policy }
}

function asksAnew(annotations: { [key: string]: string }, previous: KubeObject | undefined): boolean {
  const changed = (name: OverrideName) =>
    annotations[overrideAnnotation(name)] !== previous?.metadata.annotations?.[overrideAnnotation(name)]
  return overrideNames.some(changed)
}

/**
 * A service that stood unaccelerated before this update, with the same model, stays so: whatever policy or
 * label came since. Its own annotation may say otherwise.
 */
function isOlderThanOptIn({ previous, original }: DecideInput, location: ModelLocation): boolean {
  if (previous === undefined || original !== undefined) return false
  if (isOptedOut(previous.metadata.annotations)) return false
  const before = findModelLocations(previous)
  return (
    before.kind === 'found' &&
    before.locations.some(({ id, uri }) => id === location.id && uri === location.uri)
  )
}

/** Shapes that KServe treats so differently that a mounted cache would change what they do. */
function shapeReason(service: KubeObject): Decision | undefined {
  if (service.kind !== 'InferenceService') {
    return skip('NoModelLocation', `a ${service.kind} is not accelerated yet`)
  }
  const predictor = objectAt(service, 'spec', 'predictor')
  const annotations = service.metadata.annotations ?? {}
  if (annotations['serving.kserve.io/deploymentMode'] === 'ModelMesh') {
    return skip('ModelMesh', 'ModelMesh loads its models by itself')
  }
  if (service.metadata.labels?.['internal.serving.kserve.io/localmodel'] !== undefined) {
    return skip('LocalModelCached', 'a LocalModelCache of KServe serves this model')
  }
  if (stringAt(predictor, 'storageContainerName') !== undefined) {
    return skip('StorageContainerPinned', 'the predictor pins its storage container')
  }
  const models = ['model', ...frameworks].map((field) => predictor[field])
  if (models.some((model) => objectAt(model, 'confidential').enabled === true)) {
    return skip('ConfidentialModel', 'the storage initializer decrypts this model, a mount does not')
  }
  const containers = [...models, ...listAt(predictor, 'containers')]
  const mounts = containers.flatMap((container) => listAt(container, 'volumeMounts'))
  if (mounts.some((mount) => stringAt(mount, 'mountPath')?.replace(/\/$/, '') === '/mnt/models')) {
    return skip('PvcSource', 'the predictor mounts a volume at /mnt/models by itself')
  }
  return undefined
}

function skip(reason: RefusalReason, message: string): Extract<Decision, { kind: 'skip' }> {
  return { kind: 'skip', reason, message }
}
