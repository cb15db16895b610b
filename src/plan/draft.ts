import { isDeepStrictEqual } from 'node:util'
import { isNested, isObject, type Json, type JsonObject, type KubeObject } from '../values/object.ts'

export type PatchOperation =
  | { op: 'add' | 'replace'; path: string; value: Json }
  | { op: 'remove'; path: string }

/** Builds a JSON pointer: `pointer('metadata', 'annotations', 'a/b')` is `/metadata/annotations/a~1b`. */
export function pointer(...path: string[]): string {
  let text = ''
  for (const step of path)
    text += /[~/]/.test(step) ? `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}` : `/${step}`
  return text
}

/** Splits a JSON pointer into field names. */
export function steps(path: string): string[] {
  const names = path.split('/')
  names.shift()
  return path.includes('~') ? names.map(unescaped) : names
}

function unescaped(step: string): string {
  if (!step.includes('~')) return step
  const slashed = step.replaceAll('~1', '/')
  return slashed.includes('~') ? slashed.replaceAll('~0', '~') : slashed
}

/**
 * An edited view of an object that records which paths change. It copies an object or list when it is first
 * edited, and shares the rest with the original. Its patch has at most one operation for each edited path, and
 * none if the final value equals the original. A diff of whole objects would also rewrite list elements that no
 * edit touched.
 */
export class Draft {
  readonly #original: KubeObject
  readonly #touched = new Set<string>()
  readonly #emptied = new Set<string>()
  readonly #appended: { path: string; value: Json }[] = []
  /** The copies made by this draft: only these may be written. */
  readonly #copies = new Set<Json>()
  /** The steps of the paths so far: each path is followed several times, and to split it takes longer than that. */
  readonly #steps = new Map<string, string[]>()
  #object: KubeObject

  constructor(original: KubeObject) {
    this.#original = original
    this.#object = original
  }

  /** The object as edited so far. Later edits do not change it: read it again after an edit. */
  get object(): KubeObject {
    return this.#object
  }

  get(path: string): Json | undefined {
    return this.#find(this.#object, path)
  }

  #find(value: Json, path: string): Json | undefined {
    return follow(value, this.#stepsOf(path))
  }

  #stepsOf(path: string): readonly string[] {
    const known = this.#steps.get(path)
    if (known !== undefined) return known
    const split = steps(path)
    this.#steps.set(path, split)
    return split
  }

  /**
   * Sets a field and creates missing parents. Returns the pointers of the created parents, outermost first.
   */
  set(path: string, value: Json): string[] {
    this.#touched.add(path)
    const created: string[] = []
    this.#write(path, (parent, name) => assign(parent, name, value), created)
    return created
  }

  /** Appends to a list. Creates the list if it does not exist. */
  append(path: string, value: Json): void {
    if (!Array.isArray(this.get(path))) {
      this.set(path, [value])
      return
    }
    this.#write(`${path}/-`, (list) => (list as Json[]).push(value))
    if (this.#find(this.#original, path) !== undefined) this.#appended.push({ path, value })
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
    if (!Array.isArray(this.get(parentOf(path)))) return
    this.#touched.add(parentOf(path))
    this.#write(path, (list, name) => (list as Json[]).splice(Number(name), 1))
  }

  remove(path: string): void {
    const names = this.#stepsOf(path)
    const parent = follow(this.#object, names.slice(0, -1))
    const last = names.at(-1)
    if (!isObject(parent) || last === undefined || !Object.hasOwn(parent, last)) return
    this.#touched.add(path)
    this.#write(path, (object, name) => delete (object as JsonObject)[name])
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

  /** Edits the parent of a path, after copying it and all above it. Adds the created parents to `created`. */
  #write(
    path: string,
    edit: (parent: Json[] | JsonObject, name: string) => void,
    created: string[] = [],
  ): void {
    const names = this.#stepsOf(path)
    const last = names.at(-1)
    if (last === undefined) return
    let here: Json[] | JsonObject = this.#copy(this.#object)
    this.#object = here as KubeObject
    let end = 0
    for (const name of names.slice(0, -1)) {
      end = nextEnd(path, end)
      const inner: Json | undefined = child(here, name)
      if (inner === undefined) created.push(path.slice(0, end))
      // A null counts as missing. Nothing can be written into a scalar.
      const value: Json = inner ?? {}
      if (!isNested(value)) return
      const copy: Json[] | JsonObject = this.#copy(value)
      if (copy !== inner) assign(here, name, copy)
      here = copy
    }
    edit(here, last)
  }

  #copy<T extends Json[] | JsonObject>(value: T): T {
    if (this.#copies.has(value)) return value
    const copy = shallowCopy(value)
    this.#copies.add(copy)
    return copy
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
      parents(path).some((parent) => operations.has(parent))
    return [...[...operations.values()].filter((operation) => !isCoveredByParent(operation)), ...appends]
  }

  #operationAt(path: string): PatchOperation | undefined {
    const before = this.#find(this.#original, path)
    const after = this.get(path)
    if (isDeepStrictEqual(before, after)) return undefined
    // The object was emptied and filled again: its fields have their own operations, so do not replace it
    // whole.
    if (this.#emptied.has(path) && isObject(before) && isObject(after)) return undefined
    if (after === undefined) {
      return { op: 'remove', path: this.#outermost(path, this.#object, (value) => value === undefined) }
    }
    if (before !== undefined) return { op: 'replace', path, value: after }
    // JSON Patch creates no parents: add the outermost missing object as a whole. A null counts as missing.
    const missing = this.#outermost(path, this.#original, (value) => (value ?? null) === null)
    return { op: 'add', path: missing, value: this.get(missing) ?? after }
  }

  /** The outermost part of a path with such a value; the path itself if there is none. */
  #outermost(path: string, root: Json, holds: (value: Json | undefined) => boolean): string {
    let here: Json | undefined = root
    let end = 0
    for (const name of this.#stepsOf(path)) {
      here = child(here, name)
      end = nextEnd(path, end)
      if (holds(here)) return path.slice(0, end)
    }
    return path
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

/** The pointers of all parents, outermost first, without the whole object: of `/a/b/c` these are `/a` and `/a/b`. */
function parents(path: string): string[] {
  const found: string[] = []
  for (let end = nextEnd(path, 0); end < path.length; end = nextEnd(path, end)) found.push(path.slice(0, end))
  return found
}

/** The end of the step that begins at the slash at `start`. */
function nextEnd(path: string, start: number): number {
  const end = path.indexOf('/', start + 1)
  return end === -1 ? path.length : end
}

/** The value at a JSON pointer; undefined if the path does not exist. */
export function valueAt(value: Json, path: string): Json | undefined {
  return follow(value, steps(path))
}

function follow(value: Json, names: readonly string[]): Json | undefined {
  let here: Json | undefined = value
  for (const step of names) here = child(here, step)
  return here
}

/** A value in which every object and list along a path is a copy; it shares the rest with the original. */
export function copyAlong<T extends Json>(value: T, path: string): T {
  if (!isNested(value)) return value
  const root = shallowCopy(value)
  let here: Json[] | JsonObject = root
  for (const step of steps(path)) {
    const inner = child(here, step)
    if (!isNested(inner)) break
    const copy = shallowCopy(inner)
    assign(here, step, copy)
    here = copy
  }
  return root
}

function shallowCopy<T extends Json[] | JsonObject>(value: T): T {
  return (Array.isArray(value) ? [...value] : { ...value }) as T
}

function child(value: Json | undefined, name: string): Json | undefined {
  if (Array.isArray(value)) return value[Number(name)]
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

function assign(parent: Json[] | JsonObject, name: string, value: Json): void {
  if (Array.isArray(parent)) parent[Number(name)] = value
  else parent[name] = value
}
