import { isObject, type Json, type JsonObject, type KubeObject } from '../values/object.ts'

// Deeper parts count as changed: their author decides how deep an object is nested, and the stack is finite.
const mostLevels = 32

/**
 * A new state of an object that shares all parts that have not changed with its state before; the state before if nothing
 * has. So a change of a status neither copies a spec nor compares it again later. `now` must belong to the caller: its
 * fields are replaced.
 */
export function sharing(before: KubeObject, now: KubeObject): KubeObject {
  // Marks of the mirror, which JSON does not have.
  const marks = Object.getOwnPropertySymbols(now)
  const isMarkedAlike =
    marks.length === Object.getOwnPropertySymbols(before).length &&
    marks.every((mark) => Reflect.get(before, mark) === Reflect.get(now, mark))
  const shared = share(before, now, 0) as KubeObject
  return shared === before && !isMarkedAlike ? now : shared
}

/** Whether two states that share their parts differ only in their resourceVersion. */
export function isSameButVersion(before: KubeObject, now: KubeObject): boolean {
  return (
    isSameFields(before, now, 'metadata') && isSameFields(before.metadata, now.metadata, 'resourceVersion')
  )
}

function share(before: Json | undefined, now: Json, level: number): Json {
  if (before === now) return before
  if (level > mostLevels) return now
  if (Array.isArray(before) && Array.isArray(now)) return shareItems(before, now, level)
  if (isObject(before) && isObject(now)) return shareFields(before, now, level)
  return now
}

function shareItems(before: Json[], now: Json[], level: number): Json {
  let isSame = before.length === now.length
  for (const [index, item] of now.entries()) {
    const shared = share(before[index], item, level + 1)
    now[index] = shared
    isSame = isSame && shared === before[index]
  }
  return isSame ? before : now
}

function shareFields(before: JsonObject, now: JsonObject, level: number): Json {
  const fields = Object.keys(now)
  let isSame = Object.keys(before).length === fields.length
  for (const field of fields) {
    const value = now[field]
    const known = Object.hasOwn(before, field) ? before[field] : undefined
    const shared = value === undefined ? value : share(known, value, level + 1)
    // An assignment to `__proto__` would set the prototype.
    if (field !== '__proto__') now[field] = shared
    isSame = isSame && shared === known && Object.hasOwn(before, field)
  }
  return isSame ? before : now
}

/** Whether two objects share all fields but one, which both or none of them may have. */
function isSameFields(before: object, now: object, except: string): boolean {
  const fields = Reflect.ownKeys(now)
  return (
    fields.length === Reflect.ownKeys(before).length &&
    fields.every((field) => field === except || Reflect.get(before, field) === Reflect.get(now, field))
  )
}
