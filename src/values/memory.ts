import { footprint } from './footprint.ts'
import type { Json } from './object.ts'

export interface MemoryLimits {
  /** Bytes of all values together, as estimated. */
  totalBytes: number
  /** A value that takes more is not remembered. */
  valueBytes: number
}

/** Remembers values up to a size of all of them; those used longest ago go first. */
export class Memory<T> {
  readonly #limits: MemoryLimits
  readonly #values = new Map<string, { value: T; bytes: number }>()
  #bytes = 0

  constructor(limits: MemoryLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#values.size
  }

  get(key: string): T | undefined {
    const known = this.#values.get(key)
    if (known === undefined) return undefined
    // A Map lists its keys in the order in which they were set.
    this.#values.delete(key)
    this.#values.set(key, known)
    return known.value
  }

  /** Remembers a value, unless it is too large. `measured` is the part of it that takes memory by its own. */
  set(key: string, value: T, measured: unknown): void {
    this.delete(key)
    const { totalBytes, valueBytes } = this.#limits
    const bytes = footprint([key, measured as Json], valueBytes)
    if (bytes === undefined) return
    this.#values.set(key, { value, bytes })
    this.#bytes += bytes
    for (const oldest of this.#values.keys()) {
      if (this.#bytes <= totalBytes) return
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    this.#bytes -= this.#values.get(key)?.bytes ?? 0
    this.#values.delete(key)
  }
}

/** Sets a value as the newest of a Map, and drops the oldest if there are more than `most`. */
export function setNewest<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > most && oldest !== undefined) map.delete(oldest)
}
