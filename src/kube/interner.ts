import { isObject, type Json, type JsonObject, type KubeObject } from '../values/object.ts'

interface Known {
  /** Equal for equal values, and for no others. */
  id: string
  value: Json
}

const mostKnown = 8_192
// Longer strings seldom repeat, and would fill the table.
const longestText = 256
// Deeper parts stay as they are: their author decides how deep an object is nested, and the stack is finite.
const mostLevels = 32

/**
 * Shares equal parts of different objects: most pods of a service have the same labels, owners, volumes and gates. What
 * was not seen for long is forgotten, so that the table stays small whatever comes.
 */
export class Interner {
  #young = new Map<string, Known>()
  #old = new Map<string, Known>()
  #ids = 0

  /** The object, with shared parts in place of its own; it must belong to the caller. Its metadata stay its own. */
  intern(object: KubeObject): KubeObject {
    for (const field of Object.keys(object)) {
      if (field !== 'metadata') this.#replace(object, field, 0)
      else for (const inner of Object.keys(object.metadata)) this.#replace(object.metadata, inner, 0)
    }
    return object
  }

  #replace(parent: JsonObject, field: string, level: number): string | undefined {
    // An assignment to `__proto__` would set the prototype.
    if (field === '__proto__') return undefined
    const known = this.#known(parent[field], level)
    if (known !== undefined) parent[field] = known.value
    return known?.id
  }

  /** The first of all equal values; undefined if this one is not shared. */
  #known(value: Json | undefined, level: number): Known | undefined {
    if (typeof value === 'number' || typeof value === 'boolean') return { id: String(value), value }
    if (value === null) return { id: 'null', value }
    if (value === undefined || level > mostLevels) return undefined
    if (typeof value === 'string')
      return value.length > longestText ? undefined : this.#first(`"${value}`, value)
    const key = Array.isArray(value) ? this.#itemsKey(value, level) : this.#fieldsKey(value, level)
    return key === undefined ? undefined : this.#first(key, value)
  }

  #itemsKey(items: Json[], level: number): string | undefined {
    let key: string | undefined = '['
    for (const [index, item] of items.entries()) {
      const known = this.#known(item, level + 1)
      if (known !== undefined) items[index] = known.value
      key = known === undefined || key === undefined ? undefined : `${key}${known.id},`
    }
    return key
  }

  #fieldsKey(fields: JsonObject, level: number): string | undefined {
    if (!isObject(fields)) return undefined
    let key: string | undefined = '{'
    for (const field of Object.keys(fields)) {
      const id = this.#replace(fields, field, level + 1)
      key = id === undefined || key === undefined ? undefined : `${key}${JSON.stringify(field)}:${id},`
    }
    return key
  }

  #first(key: string, value: Json): Known {
    const known = this.#young.get(key)
    if (known !== undefined) return known
    const found = this.#old.get(key) ?? { id: `#${this.#ids++}`, value }
    if (this.#young.size >= mostKnown) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, found)
    return found
  }
}
