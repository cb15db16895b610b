import { type KubeObject, keyOf, keyText, type ObjectKey } from '../values/object.ts'

/**
 * The values under which an object is found. A pure function of the object, defined once: it is its own name.
 */
export type IndexFunction = (object: KubeObject) => readonly string[]

/**
 * Objects by key, and by any number of indexes, as in client-go's Indexer. An index is built when it is first
 * asked for, and then kept with each change.
 */
export class Store {
  readonly #objects = new Map<string, KubeObject>()
  readonly #indexes = new Map<IndexFunction, Groups>()

  get size(): number {
    return this.#objects.size
  }

  keys(): Iterable<string> {
    return this.#objects.keys()
  }

  get(key: ObjectKey): KubeObject | undefined {
    return this.#objects.get(keyText(key))
  }

  list(namespace?: string): KubeObject[] {
    return namespace === undefined ? [...this.#objects.values()] : this.by(byNamespace, namespace)
  }

  /** The objects that an index function gives this value; the cost is their number. */
  by(index: IndexFunction, value: string): KubeObject[] {
    return [...(this.#groupsOf(index).get(value)?.values() ?? [])]
  }

  /** Returns the previous object with this key. */
  set(object: KubeObject): KubeObject | undefined {
    const key = keyText(keyOf(object))
    const before = this.#objects.get(key)
    this.#objects.set(key, object)
    for (const [index, groups] of this.#indexes) {
      const values = index(object)
      if (before !== undefined) remove(groups, key, excluding(index(before), values))
      add(groups, { key, object, values })
    }
    return before
  }

  /** Deletes an object by the text of its key. Returns the deleted object. */
  delete(key: string): KubeObject | undefined {
    const before = this.#objects.get(key)
    if (before === undefined) return undefined
    this.#objects.delete(key)
    for (const [index, groups] of this.#indexes) remove(groups, key, index(before))
    return before
  }

  #groupsOf(index: IndexFunction): Groups {
    const known = this.#indexes.get(index)
    if (known !== undefined) return known
    const groups: Groups = new Map()
    for (const [key, object] of this.#objects) add(groups, { key, object, values: index(object) })
    this.#indexes.set(index, groups)
    return groups
  }
}

/** By value, then by key. */
type Groups = Map<string, Map<string, KubeObject>>

const byNamespace: IndexFunction = ({ metadata: { namespace } }) =>
  namespace === undefined ? [] : [namespace]

function add(
  groups: Groups,
  { key, object, values }: { key: string; object: KubeObject; values: readonly string[] },
): void {
  for (const value of values) {
    const group = groups.get(value) ?? new Map()
    groups.set(value, group.set(key, object))
  }
}

function remove(groups: Groups, key: string, values: readonly string[]): void {
  for (const value of values) {
    const group = groups.get(value)
    group?.delete(key)
    if (group?.size === 0) groups.delete(value)
  }
}

function excluding(values: readonly string[], others: readonly string[]): readonly string[] {
  const kept = new Set(others)
  return values.filter((value) => !kept.has(value))
}
