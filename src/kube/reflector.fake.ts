import { type KubeObject, keyText, type ObjectKey } from '../values/object.ts'
import type { Change } from './reflector.ts'
import { type IndexFunction, Store } from './store.ts'

/** A copy of a resource for tests: holds given objects, and reports changes like a Reflector. */
export class FakeReflector {
  state: 'starting' | 'synced' | 'unavailable' = 'synced'
  readonly #objects = new Store()
  readonly #listeners: ((change: Change) => void)[] = []
  #paused: (() => void)[] | undefined

  /** Lags: keeps what it holds until `resume`. */
  pause(): void {
    this.#paused ??= []
  }

  resume(): void {
    const changes = this.#paused ?? []
    this.#paused = undefined
    for (const change of changes) change()
  }

  put(...objects: KubeObject[]): void {
    if (this.#paused !== undefined) {
      this.#paused.push(() => this.put(...objects))
      return
    }
    for (const object of objects) {
      const before = this.#objects.set(object)
      this.#tell(before === undefined ? { type: 'added', object } : { type: 'updated', object, before })
    }
  }

  drop(key: ObjectKey): void {
    if (this.#paused !== undefined) {
      this.#paused.push(() => this.drop(key))
      return
    }
    const object = this.#objects.delete(keyText(key))
    if (object !== undefined) this.#tell({ type: 'deleted', object })
  }

  get(key: ObjectKey): KubeObject | undefined {
    return this.#objects.get(key)
  }

  list(namespace?: string): KubeObject[] {
    return this.#objects.list(namespace)
  }

  by(index: IndexFunction, value: string): KubeObject[] {
    return this.#objects.by(index, value)
  }

  onChange(listener: (change: Change) => void): void {
    this.#listeners.push(listener)
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change)
  }
}
