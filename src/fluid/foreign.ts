import { isDeepStrictEqual } from 'node:util'
import { isObject, type Json, type JsonObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { differences } from './stored.ts'

/**
 * Fields of a live spec that control access and that no policy could have set. If there are any, another user
 * or controller created or changed the object. Both specs are without defaults.
 */
export function foreignFields(kind: string, desired: JsonObject, live: JsonObject): string[] {
  switch (kind) {
    case 'Dataset':
      return [...differences(accessOf(desired), accessOf(live)), ...credentialOptions(desired, live)]
    case 'DataLoad':
      return differences(taskOf(desired), taskOf(live))
    default:
      return changedAccessFields(desired, live)
  }
}

/**
 * The fields of a Dataset that a policy does not set: all but mount options and tolerations. These two may
 * come from an earlier policy.
 */
function accessOf({ tolerations: _, mounts = [], ...rest }: JsonObject): JsonObject {
  return { ...rest, mounts: Array.isArray(mounts) ? mounts.map(withoutOptions) : mounts }
}

function withoutOptions(mount: Json): Json {
  if (!isObject(mount)) return mount
  const { options: _, ...rest } = mount
  return rest
}

const credentialPattern = /secret|password|token|access[-_.]?key|credential|metaurl/i

/** Plain-text credentials in the live options: a policy never sets them. */
function credentialOptions(desired: JsonObject, live: JsonObject): string[] {
  const [allowed, here] = [desired, live].map((spec) => objectAt(spec, 'mounts', 0, 'options'))
  const names = Object.keys(here ?? {}).filter((name) => credentialPattern.test(name))
  return names.some((name) => here?.[name] !== allowed?.[name]) ? ['mounts'] : []
}

/** The fields that decide what a DataLoad loads, and when. */
function taskOf(spec: JsonObject): JsonObject {
  const { dataset, policy, schedule, runAfter } = spec
  const target = listAt(spec, 'target').map((each) => stringAt(each, 'path') ?? null)
  return { dataset, policy, schedule, runAfter, target }
}

/** Fields of a Runtime, at any depth, that let its pods reach more than their cache, or run other code. */
const accessFields = new Set([
  'volumes',
  'volumeMounts',
  'volumeSource',
  'image',
  'imageTag',
  'imagePullSecrets',
  'hadoopConfig',
  'secret',
  'runAs',
  'user',
  'env',
  'command',
  'lifecycle',
  'jvmOptions',
  'podMetadata',
])

function changedAccessFields(desired: JsonObject, live: JsonObject): string[] {
  return Object.entries(live).flatMap(([field, here]) => {
    const allowed = desired[field]
    if (accessFields.has(field)) return exceedsDesired(withoutSizes(field, here), allowed) ? [field] : []
    if (field === 'properties') return isWithinProperties(objectAt(here), objectAt(allowed)) ? [] : [field]
    const inner = Array.isArray(here)
      ? here.flatMap((item, index) => changedAccessFields(objectAt(allowed, index), objectAt(item)))
      : changedAccessFields(objectAt(allowed), objectAt(here))
    return [...new Set(inner)].map((path) => `${field}.${path}`)
  })
}

/** A field without JVM options that only size memory: these change with a policy and run no code. */
function withoutSizes(field: string, value: Json | undefined): Json | undefined {
  if (field !== 'jvmOptions' || !Array.isArray(value)) return value
  const others = value.filter((option) => !sizeOption.test(String(option)))
  return others.length === 0 ? undefined : others
}

const sizeOption =
  /^(-Xm[sx][0-9]{1,15}[kmgKMG]?|-XX:MaxDirectMemorySize=[0-9]{1,15}[kmgKMG]?|-XX:\+UseG1GC)$/

/** Whether a value adds something that was not asked for. A scalar that replaces another scalar does not. */
function exceedsDesired(here: Json | undefined, desired: Json | undefined): boolean {
  if (here === undefined || desired === undefined) return here !== undefined
  if (Array.isArray(here)) {
    const allowed = Array.isArray(desired) ? desired : []
    return here.some((item) => !allowed.some((each) => isDeepStrictEqual(item, each)))
  }
  if (!isObject(here)) return isObject(desired) || Array.isArray(desired)
  return Object.entries(here).some(([field, value]) => exceedsDesired(value, objectAt(desired)[field]))
}

function isWithinProperties(here: JsonObject, desired: JsonObject): boolean {
  return Object.entries(here).every(
    ([name, value]) => !credentialPattern.test(name) || value === desired[name],
  )
}
