import {
  filledFromAnnotation,
  outdatedAnnotation,
  partOfAnnotation,
  sourceAnnotation,
  warmWhenAnnotation,
} from '../values/keys.ts'
import {
  cloneJson,
  defined,
  type JsonObject,
  type KubeObject,
  type OwnerReference,
  objectAt,
} from '../values/object.ts'
import { foreignFields } from './foreign.ts'
import { runtimes } from './runtimes.ts'
import { differences, mergePatch, withMemoryOf, withoutDefaults } from './stored.ts'

/** The result of comparing a desired object with the live object of the same name. */
export type MergeResult =
  /** It has spec fields that Warmgate does not write: leave it unchanged. */
  | { kind: 'foreign'; fields: string[] }
  | {
      kind: 'ours'
      /** With uid and resourceVersion of the live object; without them if the object is new. */
      object: KubeObject
      /** Fields that differ from the policy and are not changed: `JindoRuntime spec.tieredstore.levels`. */
      pendingChanges: string[]
    }

/**
 * Compares a desired object with the live one. Trust only the live spec, because any client can write
 * annotations. Change only `mutable` fields: Fluid ignores others, or restarts workers and loses their
 * caches. Report other policy fields that differ. Fields that give access must match the plan.
 */
export function mergeMutable(
  desired: KubeObject,
  present: KubeObject | undefined,
  mutable: readonly string[] = mutableFields(desired.kind),
): MergeResult {
  if (present === undefined || present.metadata.deletionTimestamp !== undefined)
    return { kind: 'ours', object: desired, pendingChanges: [] }
  const spec = cloneJson(objectAt(present, 'spec'))
  const target = withMemoryOf(spec, objectAt(desired, 'spec'))
  const [desiredSpec, liveSpec] = [withoutDefaults(target), withoutDefaults(spec)]
  const fields = foreignFields(desired.kind, desiredSpec, liveSpec)
  if (fields.length > 0) return { kind: 'foreign', fields }
  const differing = differences(desiredSpec, liveSpec)
  for (const field of mutable) {
    if (differing.some((path) => contains(path, field) || contains(field, path)))
      copyField(field.split('.'), target, spec)
  }
  const pendingChanges = differences(desiredSpec, withoutDefaults(spec)).map(
    (path) => `${desired.kind} spec.${path}`,
  )
  const metadata = { ...desired.metadata, ...identityOf(present) }
  return { kind: 'ours', object: { ...desired, metadata, spec }, pendingChanges }
}

/** Whether the object will match the policy completely after this write. */
export function isUpToDate(found: MergeResult): found is Extract<MergeResult, { kind: 'ours' }> {
  return found.kind === 'ours' && found.pendingChanges.length === 0
}

/** Annotations that only Warmgate writes: remove them if the desired object does not have them. */
const ownAnnotations = [
  sourceAnnotation,
  partOfAnnotation,
  warmWhenAnnotation,
  outdatedAnnotation,
  filledFromAnnotation,
]
/** API groups of owners that Warmgate sets. Keep the owners that Fluid and others add. */
const ownerApiGroups = ['serving.kserve.io', 'warmgate.dev']

/**
 * The merge patch from the present object to the desired one; undefined if nothing differs. The API server
 * rejects it with a conflict if the object has changed since the comparison.
 */
export function changesTo(object: KubeObject, present: KubeObject): JsonObject | undefined {
  const { labels, annotations = {}, ownerReferences = [] } = object.metadata
  const before = present.metadata.annotations ?? {}
  const gone = ownAnnotations.filter((name) => Object.hasOwn(before, name) && annotations[name] === undefined)
  const others = (present.metadata.ownerReferences ?? []).filter(
    ({ apiVersion }) => !ownerApiGroups.includes(apiVersion.split('/')[0] ?? ''),
  )
  const metadata = mergePatch(
    {
      labels: present.metadata.labels ?? {},
      annotations: before,
      ownerReferences: byUid(present.metadata.ownerReferences ?? []),
    },
    {
      labels: { ...present.metadata.labels, ...labels },
      annotations: {
        ...before,
        ...annotations,
        ...Object.fromEntries(gone.map((name) => [name, undefined])),
      },
      ownerReferences: byUid([...others, ...ownerReferences]),
    },
  )
  const spec = mergePatch(objectAt(present, 'spec'), objectAt(object, 'spec'))
  if ([metadata, spec].every((part) => Object.keys(part).length === 0)) return undefined
  return { metadata: { ...identityOf(object), ...metadata }, ...(Object.keys(spec).length > 0 && { spec }) }
}

export function withPendingChanges(dataset: KubeObject, pendingChanges: string[]): KubeObject {
  if (pendingChanges.length === 0) return dataset
  const annotations = { ...dataset.metadata.annotations, [outdatedAnnotation]: pendingChanges.join(', ') }
  return { ...dataset, metadata: { ...dataset.metadata, annotations } }
}

/** The settings that the cache would get if it were created again; empty if it has all of them. */
export function pendingChangesOf({ metadata: { annotations = {} } }: KubeObject): string {
  return annotations[outdatedAnnotation] ?? ''
}

function mutableFields(kind: string): readonly string[] {
  return Object.values(runtimes).find((runtime) => runtime.kind === kind)?.mutableFields ?? []
}

/** The UID and resourceVersion that were read. */
function identityOf({ metadata: { uid, resourceVersion } }: KubeObject) {
  return defined({ uid, resourceVersion })
}

function byUid(owners: OwnerReference[]): OwnerReference[] {
  return owners.toSorted((a, b) => (a.uid < b.uid ? -1 : 1))
}

/** Whether the paths are equal, or the first is an ancestor of the second. */
function contains(path: string, other: string): boolean {
  return other === path || other.startsWith(`${path}.`)
}

/** Copies one field, or deletes it if the source does not have it. */
function copyField([field = '', ...rest]: string[], from: JsonObject, to: JsonObject): void {
  if (rest.length === 0) {
    if (from[field] === undefined) delete to[field]
    else to[field] = from[field]
    return
  }
  const inner = { ...objectAt(to, field) }
  copyField(rest, objectAt(from, field), inner)
  if (Object.keys(inner).length > 0) to[field] = inner
  else delete to[field]
}
