import { isDeepStrictEqual } from 'node:util'
import { podSourceOf } from '../../kserve/location.ts'
import type { ServiceView } from '../../kserve/service-view.ts'
import type { PolicySpec } from '../../policy/schema.ts'
import { overrideAnnotation } from '../../values/keys.ts'
import { isObject, type Json, type JsonObject, type KubeObject } from '../../values/object.ts'
import { type Draft, pointer, steps, valueAt } from '../draft.ts'
import type { Facts } from '../facts.ts'
import { holdSettings } from '../pod/hold.ts'
import { deadlineValues } from './deadline.ts'
import type { Acceleration, Rewrite } from './decide.ts'
import { type ContainerResources, gpuResources, hasPlainResources } from './gpu.ts'
import { type Additions, claimUri, type Original, type OriginalLocation } from './original.ts'
import { patchTargetsOf } from './patch-target.ts'
import { type RecordSigner, type ServiceRecord, subjectOf, writeSigned } from './record.ts'
import { longestFillMs } from './target.ts'

/** Values to add to a service: by patch target, then by pointer relative to it. */
type Values = { [target: string]: { [pointer: string]: Json } }

/**
 * Makes a service use its caches: writes the URIs, the policy's additions, and the record of the original.
 * Keeps an equivalent record unchanged: KServe's defaulter may have added fields since, and a changed record
 * would roll the pods.
 */
export function rewrite(draft: Draft, { rewrites, policy }: Acceleration, context: RewriteContext): void {
  const ours = rewrites.filter(({ by }) => by === 'Spec')
  if (ours.length === 0) return
  const { own, facts, view } = context
  const kept = usableRecord(context.kept, ours)
  const records = [kept, own?.isProven ? own : undefined].filter((record) => record !== undefined)
  const serving = ours.filter(({ location }) => location.component === 'predictor')
  const same = records.find(({ original }) => serving.every((each) => recorded(original, each) !== undefined))
  const spec = serving.length > 0 ? policy.spec : undefined
  const fresh = () => freshValues(view, { spec, fillMs: longestFillMs(ours) })
  const again = gpuOverrideChanged(draft.object, context.previous)
    ? undefined
    : same && valuesOf(same, { ...context, kept, fresh })
  const locations: Original['locations'] = {}
  for (const each of ours) {
    const { location } = each
    const known = records
      .map(({ original }) => recorded(original, each))
      .find((before) => before !== undefined)
    locations[location.id] = known ?? record(each)
    draft.set(location.pointer, claimUri(each))
    if (location.model.kind === 'storage') draft.remove(location.model.pointer)
  }
  const additions = addAll(draft, again ?? fresh())
  const original = {
    locations,
    additions: again === undefined ? additions : (same?.original.additions ?? {}),
    madeAnnotations: same?.original.madeAnnotations ?? !isObject(draft.get('/metadata/annotations')),
  }
  const subject = subjectOf(draft.object, facts.namespace)
  // Never sign content of an unproven record.
  const signer = kept?.isProven === false ? unsigned : facts.signer
  writeSigned(draft, original, { signer, subject, kept: records })
}

/** Ignores an unproven record if none of its rewrites is kept. */
function usableRecord(kept: ServiceRecord | undefined, ours: Rewrite[]): ServiceRecord | undefined {
  const isUsable = kept?.isProven === true || ours.some((each) => kept && recorded(kept.original, each))
  return isUsable ? kept : undefined
}

const unsigned: Pick<RecordSigner, 'sign'> = { sign: () => '' }

export interface RewriteContext {
  /** The service as its user wrote it: the draft before its rewrite. */
  view: ServiceView
  /** The record of the service before this update, if its rewrites are kept. */
  kept: ServiceRecord | undefined
  /** The record on the service in the request. */
  own: ServiceRecord | undefined
  /** The service before this update. */
  previous: KubeObject | undefined
  facts: Facts
}

/**
 * The recorded additions, if they may be added again. From an unproven record: only values that the service
 * had before the update. From a record that is new with this request: only if the policy adds the same values
 * today, because the record may be old.
 */
function valuesOf(
  record: ServiceRecord,
  { view, kept, previous, fresh }: RewriteContext & { fresh: () => Values },
): Values | undefined {
  const values = recordedValues(view, record.original)
  if (record === kept) return record.isProven ? values : presentIn(previous, values)
  return covers(fresh(), values) ? values : undefined
}

function presentIn(service: KubeObject | undefined, values: Values): Values {
  if (service === undefined) return {}
  const parts = patchTargetsOf(service).map(({ id, pointer: base }) => {
    const present = Object.entries(values[id] ?? {}).filter(([path, value]) =>
      isDeepStrictEqual(valueAt(service, base + path), value),
    )
    return [id, Object.fromEntries(present)] as const
  })
  return Object.fromEntries(parts)
}

function covers(all: Values, some: Values): boolean {
  return Object.entries(some).every(([id, values]) =>
    Object.entries(values).every(([path, value]) => isDeepStrictEqual(all[id]?.[path], value)),
  )
}

/** Whether the user changes the GPU override. That rolls the pods anyway. */
function gpuOverrideChanged({ metadata }: KubeObject, previous: KubeObject | undefined): boolean {
  const annotation = overrideAnnotation('gpu')
  if (previous === undefined) return false
  return metadata.annotations?.[annotation] !== previous.metadata.annotations?.[annotation]
}

function freshValues(
  service: ServiceView,
  { spec, fillMs }: { spec: PolicySpec | undefined; fillMs: number },
): Values {
  const hold = spec && holdSettings(spec, fillMs)
  return {
    ...gpuValues(gpuResources(service, spec?.gpu)),
    'predictor-pod': deadlineValues(service, hold),
  }
}

function record(rewrite: Rewrite): OriginalLocation {
  const { location, cache, path, existing } = rewrite
  const storage = recordedStorage(location)
  return {
    uri: recordedUri(rewrite),
    cache,
    ...(path === undefined ? {} : { path }),
    ...(existing ? { existing } : {}),
    ...(storage === undefined ? {} : { storage }),
  }
}

function recordedStorage({ model }: Rewrite['location']): JsonObject | undefined {
  return model.kind === 'storage' ? model.storage : undefined
}

/**
 * Omits the bucket of a storage spec: it may come from a Secret, and the sender of a review can read the
 * record.
 */
function recordedUri({ location: { model } }: Rewrite): string {
  return podSourceOf(model)
}

/** The recorded entry for this rewrite. */
function recorded({ locations }: Original, rewrite: Rewrite): OriginalLocation | undefined {
  const { location, cache, path } = rewrite
  const known = Object.hasOwn(locations, location.id) ? locations[location.id] : undefined
  const isSame = known?.uri === recordedUri(rewrite) && known.cache === cache && known.path === path
  // Specs with different keys can share a cache, and the record must restore the right key.
  return isSame && isDeepStrictEqual(known.storage, recordedStorage(location)) ? known : undefined
}

function gpuValues(found: ContainerResources[]): Values {
  const entries = found.map(({ container, resources }) => {
    const values = ['limits', 'requests'].flatMap((list) =>
      Object.entries(resources).map(
        ([name, quantity]) => [pointer('resources', list, name), quantity] as const,
      ),
    )
    return [container.id, Object.fromEntries(values)] as const
  })
  return Object.fromEntries(entries)
}

/** The recorded additions, without devices if the user asks for devices now. */
function recordedValues(service: ServiceView, { additions }: Original): Values {
  const isDevice = (path: string) => path.startsWith('/resources/')
  const paths = Object.values(additions).flatMap(({ added }) => Object.keys(added).filter(isDevice))
  const requestsDevices = service.requestsDevices(paths.map((path) => steps(path).at(-1) ?? ''))
  const malformed = service.containers.filter((container) => !hasPlainResources(container))
  const entries = Object.entries(additions).map(([target, { added }]) => {
    const dropsDevices = requestsDevices || malformed.some(({ id }) => id === target)
    const kept = Object.entries(added).filter(([path]) => !dropsDevices || !isDevice(path))
    return [target, Object.fromEntries(kept)] as const
  })
  return Object.fromEntries(entries)
}

/** Adds values below their patch targets. Keeps existing values. */
function addAll(draft: Draft, values: Values): Original['additions'] {
  const entries = patchTargetsOf(draft.object).map(({ id, pointer: base, allowedPaths, missingName }) => {
    const all = Object.entries(Object.hasOwn(values, id) ? (values[id] ?? {}) : {})
    const allowed = all.filter(([path]) => allowedPaths.test(path))
    const additions: Additions = { added: {}, made: [] }
    if (missingName !== undefined && allowed.length > 0) {
      additions.holders = draft.setElement(base, { name: missingName })
    }
    for (const [path, value] of allowed) {
      if (draft.get(base + path) !== undefined) continue
      const parents = draft.set(base + path, value)
      additions.added[path] = value
      additions.made.push(...parents.map((parent) => parent.slice(base.length)))
    }
    return [id, additions] as const
  })
  return Object.fromEntries(entries)
}
