import { outdatedAnnotation, partOfAnnotation, sourceAnnotation, warmWhenAnnotation } from '../values/keys.ts'
import {
  cloneJson,
  type JsonObject,
  type KubeObject,
  type OwnerReference,
  objectAt,
} from '../values/object.ts'
import { foreignFields } from './foreign.ts'
import { runtimes } from './runtimes.ts'
import { differences, mergePatch, withMemoryOf, withoutDefaults } from './stored.ts'

/** An object of a cache as it is to be written, by what is there under its name. */
export type Standing =
  /** It has something that Warmgate does not write, at these fields of its spec: it is left alone. */
  | { kind: 'foreign'; fields: string[] }
  | {
      kind: 'ours'
      /** With the uid and resourceVersion of the object that it was compared with; without them it is new. */
      object: KubeObject
      /** What differs from the policy and stays as it is: `JindoRuntime spec.tieredstore.levels`. */
      heldBack: string[]
    }

/**
 * An object as it is to be written over the one that is there. The live spec alone says what was made: an annotation
 * could be anybody's. Only `mutable` fields are changed, since Fluid ignores the rest, or restarts workers and their
 * caches for it. What a policy shapes may differ, and is reported; what gives access must be the plan's own.
 */
export function standing(
  wanted: KubeObject,
  present: KubeObject | undefined,
  mutable: readonly string[] = mutableFields(wanted.kind),
): Standing {
  if (present === undefined || present.metadata.deletionTimestamp !== undefined)
    return { kind: 'ours', object: wanted, heldBack: [] }
  const spec = cloneJson(objectAt(present, 'spec'))
  const target = withMemoryOf(spec, objectAt(wanted, 'spec'))
  const [asked, live] = [withoutDefaults(target), withoutDefaults(spec)]
  const fields = foreignFields(wanted.kind, asked, live)
  if (fields.length > 0) return { kind: 'foreign', fields }
  const differing = differences(asked, live)
  for (const field of mutable) {
    if (differing.some((path) => contains(path, field) || contains(field, path)))
      copyField(field.split('.'), target, spec)
  }
  const heldBack = differences(asked, withoutDefaults(spec)).map((path) => `${wanted.kind} spec.${path}`)
  const metadata = { ...wanted.metadata, ...identityOf(present) }
  return { kind: 'ours', object: { ...wanted, metadata, spec }, heldBack }
}

/** Whether an object is as it is to be, or is to be written so. */
export function isAsWanted(found: Standing): found is Extract<Standing, { kind: 'ours' }> {
  return found.kind === 'ours' && found.heldBack.length === 0
}

/** Annotations that are there exactly if Warmgate writes them. */
const ownAnnotations = [sourceAnnotation, partOfAnnotation, warmWhenAnnotation, outdatedAnnotation]
/** What Warmgate makes an owner of a cache's objects; Fluid and others add owners of their own. */
const ownersGroups = ['serving.kserve.io', 'warmgate.dev']

/**
 * The merge patch that makes one object of another, undefined where nothing differs. It fails where the object has
 * changed since it was compared.
 */
export function changesTo(object: KubeObject, present: KubeObject): JsonObject | undefined {
  const { labels, annotations = {}, ownerReferences = [] } = object.metadata
  const before = present.metadata.annotations ?? {}
  const gone = ownAnnotations.filter((name) => Object.hasOwn(before, name) && annotations[name] === undefined)
  const others = (present.metadata.ownerReferences ?? []).filter(
    ({ apiVersion }) => !ownersGroups.includes(apiVersion.split('/')[0] ?? ''),
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

/** The Dataset of a cache that has not everything that its policy asks for by now. */
export function withPendingChanges(dataset: KubeObject, heldBack: string[]): KubeObject {
  if (heldBack.length === 0) return dataset
  const annotations = { ...dataset.metadata.annotations, [outdatedAnnotation]: heldBack.join(', ') }
  return { ...dataset, metadata: { ...dataset.metadata, annotations } }
}

/** What a cache would have if it were made anew; empty where it has everything. */
export function pendingChangesOf({ metadata: { annotations = {} } }: KubeObject): string {
  return annotations[outdatedAnnotation] ?? ''
}

function mutableFields(kind: string): readonly string[] {
  return Object.values(runtimes).find((runtime) => runtime.kind === kind)?.live ?? []
}

/** Names the object in the version that was read. */
function identityOf({ metadata: { uid, resourceVersion } }: KubeObject): {
  uid?: string
  resourceVersion?: string
} {
  return { ...(uid !== undefined && { uid }), ...(resourceVersion !== undefined && { resourceVersion }) }
}

function byUid(owners: OwnerReference[]): OwnerReference[] {
  return owners.toSorted((a, b) => (a.uid < b.uid ? -1 : 1))
}

/** Whether one path is the other, or above it. */
function contains(path: string, other: string): boolean {
  return other === path || other.startsWith(`${path}.`)
}

/** Takes one field over, or away where it is not there any more. */
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
