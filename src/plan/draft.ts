import { isDeepStrictEqual } from 'node:util'
import { cloneJson, isObject, type Json, type JsonObject, type KubeObject } from '../values/object.ts'

export type PatchOperation =
  | { op: 'add' | 'replace'; path: string; value: Json }
  | { op: 'remove'; path: string }

/** A JSON pointer of field names: `pointer('metadata', 'annotations', 'a/b')` is `/metadata/annotations/a~1b`. */
export function pointer(...path: string[]): string {
  return path.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** The field names of a JSON pointer. */
export function steps(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/**
 * A copy of an object that is edited at named paths, and knows the patch from the original to itself: only
 * the paths that were named, each at most once, and none whose value ended as it began. A diff of whole
 * objects would rewrite list elements in place, and touch what nobody meant.
 */
export class Draft {
  readonly #original: KubeObject
  readonly #touched = new Set<string>()
  readonly #emptied = new Set<string>()
  readonly #appended: { path: string; value: Json }[] = []
  readonly object: KubeObject

  constructor(original: KubeObject) {
    this.#original = original
    this.object = cloneJson(original)
  }

  get(path: string): Json | undefined {
    return valueAt(this.object, path)
  }

  /** Sets a field, making the objects above it; answers which of them it made, outermost first. */
  set(path: string, value: Json): string[] {
    this.#touched.add(path)
    const made: string[] = []
    const names = steps(path)
    let here: Json = this.object
    for (const [depth, name] of names.entries()) {
      const isLast = depth === names.length - 1
      if (!isLast && child(here, name) === undefined) made.push(pointer(...names.slice(0, depth + 1)))
      here = assign(here, name, isLast ? value : (child(here, name) ?? {}))
    }
    return made
  }

  /** Appends to a list, or makes it. */
  append(path: string, value: Json): void {
    const list = this.get(path)
    if (!Array.isArray(list)) {
      this.set(path, [value])
      return
    }
    list.push(value)
    if (valueAt(this.#original, path) !== undefined) this.#appended.push({ path, value })
  }

  /**
   * Makes an element at the end of a list, and the list where there is none, and the objects above it; answers what
   * it made of these, outermost first.
   */
  setElement(path: string, value: JsonObject): string[] {
    const list = parentOf(path)
    const made = Array.isArray(this.get(list)) ? [] : [...this.set(list, []), list]
    this.set(path, value)
    return made
  }

  /** Takes an element out of a list; those after it move up. */
  removeElement(path: string): void {
    const list = this.get(parentOf(path))
    if (!Array.isArray(list)) return
    this.#touched.add(parentOf(path))
    list.splice(Number(steps(path).at(-1)), 1)
  }

  remove(path: string): void {
    const names = steps(path)
    const parent = valueAt(this.object, pointer(...names.slice(0, -1)))
    const last = names.at(-1)
    if (!isObject(parent) || last === undefined || !Object.hasOwn(parent, last)) return
    this.#touched.add(path)
    delete parent[last]
  }

  removeIfEmpty(path: string): void {
    const value = this.get(path)
    const isEmpty = Array.isArray(value)
      ? value.length === 0
      : isObject(value) && Object.keys(value).length === 0
    if (!isEmpty) return
    this.#emptied.add(path)
    this.remove(path)
  }

  patch(): PatchOperation[] {
    const operations = new Map<string, PatchOperation>()
    for (const path of this.#touched) {
      const operation = this.#operationAt(path)
      if (operation !== undefined) operations.set(operation.path, operation)
    }
    const appends = this.#appended.map(({ path, value }) => ({
      op: 'add' as const,
      path: `${path}/-`,
      value,
    }))
    // A value that is written whole says all of what is below it.
    const isCoveredByParent = ({ path }: PatchOperation) =>
      steps(path).some((_, depth) => depth > 0 && operations.has(pointer(...steps(path).slice(0, depth))))
    return [...[...operations.values()].filter((operation) => !isCoveredByParent(operation)), ...appends]
  }

  #operationAt(path: string): PatchOperation | undefined {
    const before = valueAt(this.#original, path)
    const after = this.get(path)
    if (isDeepStrictEqual(before, after)) return undefined
    // Emptied, and filled again: each of its fields is named by itself, and others' fields are not.
    if (this.#emptied.has(path) && isObject(before) && isObject(after)) return undefined
    if (after === undefined) {
      return { op: 'remove', path: outermost(path, (above) => this.get(above) === undefined) }
    }
    if (before !== undefined) return { op: 'replace', path, value: after }
    // JSON patch makes no parents: the outermost missing object is added whole, in place of a null too.
    const missing = outermost(path, (above) => (valueAt(this.#original, above) ?? null) === null)
    return { op: 'add', path: missing, value: this.get(missing) ?? after }
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function outermost(path: string, holds: (path: string) => boolean): string {
  const names = steps(path)
  const above = names.map((_, depth) => pointer(...names.slice(0, depth + 1)))
  return above.find(holds) ?? path
}

/** The value at a JSON pointer; undefined where there is none. */
export function valueAt(value: Json, path: string): Json | undefined {
  return steps(path).reduce<Json | undefined>(
    (here, step) => (here === undefined ? undefined : child(here, step)),
    value,
  )
}

function child(value: Json, name: string): Json | undefined {
  if (Array.isArray(value)) return value[Number(name)]
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

function assign(parent: Json, name: string, value: Json): Json {
  if (Array.isArray(parent)) parent[Number(name)] = value
  else if (isObject(parent)) parent[name] = value
  return value
}
