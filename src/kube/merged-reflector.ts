import { type KubeObject, keyOf, keyText, type ObjectKey } from '../values/object.ts'
import type { Change, Reflector } from './reflector.ts'
import type { IndexFunction } from './store.ts'

/** Several selections of one resource, read as one copy: a label selector knows no "or". */
export class MergedReflector {
  readonly #parts: readonly Reflector[]

  constructor(...parts: Reflector[]) {
    this.#parts = parts
  }

  get(key: ObjectKey): KubeObject | undefined {
    for (const part of this.#parts) {
      const object = part.get(key)
      if (object !== undefined) return object
    }
    return undefined
  }

  /** Each object once, also where two selections hold it. */
  list(namespace?: string): KubeObject[] {
    return unique(this.#parts.flatMap((part) => part.list(namespace)))
  }

  /** As `list`, by a value of an index. */
  by(index: IndexFunction, value: string): KubeObject[] {
    return unique(this.#parts.flatMap((part) => part.by(index, value)))
  }

  onChange(listener: (change: Change) => void): void {
    for (const part of this.#parts) part.onChange(listener)
  }
}

function unique(objects: KubeObject[]): KubeObject[] {
  return [...new Map(objects.map((object) => [keyText(keyOf(object)), object])).values()]
}
