import { isDeepStrictEqual } from 'node:util'
import { cloneJson, isObject, type Json, type JsonObject, type KubeObject } from '../values/object.ts'

export type PatchOperation =
  | { op: 'add' | 'replace'; path: string; value: Json }
  | { op: 'remove'; path: string }

/** Builds a JSON pointer: `pointer('metadata', 'annotations', 'a/b')` is `/metadata/annotations/a~1b`. */
export function pointer(...path: string[]): string {
  return path.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** Splits a JSON pointer into field names. */
export function steps(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/**
 * An editable copy of an object that records which paths change. Its patch has at most one operation for each
 * edited path, and none if the final value equals the original. A diff of whole objects would also rewrite
 * list elements that no edit touched.
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

  /**
   * Sets a field and creates missing parents. Returns the pointers of the created parents, outermost first.
   */
  set(path: string, value: Json): string[] {
    this.#touched.add(path)
    const created: string[] = []
    const names = steps(path)
    let here: Json = this.object
    for (const [depth, name] of names.entries()) {
      const isLast = depth === names.length - 1
      if (!isLast && child(here, name) === undefined) created.push(pointer(...names.slice(0, depth + 1)))
      here = assign(here, name, isLast ? value : (child(here, name) ?? {}))
    }
    return created
  }

  /** Appends to a list. Creates the list if it does not exist. */
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
   * Adds an element at the end of a list. Creates the list and its parents if they do not exist. Returns the
   * pointers of the created list and parents, outermost first.
   */
  setElement(path: string, value: JsonObject): string[] {
    const list = parentOf(path)
    const created = Array.isArray(this.get(list)) ? [] : [...this.set(list, []), list]
    this.set(path, value)
    return created
  }

  /** Removes an element from a list. The elements after it move up. */
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
    // An operation on an ancestor already covers its descendants.
    const isCoveredByParent = ({ path }: PatchOperation) =>
      steps(path).some((_, depth) => depth > 0 && operations.has(pointer(...steps(path).slice(0, depth))))
    return [...[...operations.values()].filter((operation) => !isCoveredByParent(operation)), ...appends]
  }

  #operationAt(path: string): PatchOperation | undefined {
    const before = valueAt(this.#original, path)
    const after = this.get(path)
    if (isDeepStrictEqual(before, after)) return undefined
    // The object was emptied and filled again: its fields have their own operations, so do not replace it
    // whole.
    if (this.#emptied.has(path) && isObject(before) && isObject(after)) return undefined
    if (after === undefined) {
      return { op: 'remove', path: outermost(path, (above) => this.get(above) === undefined) }
    }
    if (before !== undefined) return { op: 'replace', path, value: after }
    // JSON Patch creates no parents: add the outermost missing object as a whole. A null counts as missing.
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

/** The value at a JSON pointer; undefined if the path does not exist. */
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
