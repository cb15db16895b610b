import { fits } from './footprint.ts'
import type { Json } from './object.ts'

/** Remembers a limited number of values of a limited size; what was used longest ago goes first. */
export class Memory<T> {
  readonly #limits: { count: number; bytes: number }
  readonly #values = new Map<string, T>()

  constructor(limits: { count: number; bytes: number }) {
    this.#limits = limits
  }

  get size(): number {
    return this.#values.size
  }

  get(key: string): T | undefined {
    const value = this.#values.get(key)
    if (value === undefined) return undefined
    this.#values.delete(key)
    this.#values.set(key, value)
    return value
  }

  /** Remembers a value, unless `measured`, what is to be counted of it, is too large. */
  set(key: string, value: T, measured: unknown): void {
    this.#values.delete(key)
    if (!fits(measured as Json, this.#limits.bytes)) return
    this.#values.set(key, value)
    const [oldest] = this.#values.keys()
    if (this.#values.size > this.#limits.count && oldest !== undefined) this.#values.delete(oldest)
  }

  delete(key: string): void {
    this.#values.delete(key)
  }
}
