import { type KubeObject, keyOf, keyText, type ObjectKey } from '../values/object.ts'
import type { Change, Reflector } from './reflector.ts'

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
    const objects = this.#parts.flatMap((part) => part.list(namespace))
    return [...new Map(objects.map((object) => [keyText(keyOf(object)), object])).values()]
  }

  onChange(listener: (change: Change) => void): void {
    for (const part of this.#parts) part.onChange(listener)
  }
}
