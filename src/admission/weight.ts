import { closes, opens, StringSkipper } from '../values/json-bytes.ts'

// The memory that one structural token may cost: JSON.parse makes up to 31 bytes of one (`{"k1":{},…`, measured on
// Node 24), and a review is copied two or three times.
const tokenBytes = 100
// The decoded text and its strings: two bytes per character each, if one character needs that.
const textFactor = 3

/**
 * Estimates what a JSON text will cost once it is parsed, from its bytes as they arrive. Looks at each byte once. The
 * length of a body says little about its parsed size: 6.9 MiB of `{},` are 2.4 million objects.
 */
export class JsonWeight {
  /** The maximum depth of its objects and lists. */
  depth = 0
  readonly #strings = new StringSkipper()
  #bytes = 0
  #tokens = 0
  #open = 0

  /** In bytes: an upper estimate, copies included. */
  get cost(): number {
    return this.#bytes * textFactor + this.#tokens * tokenBytes
  }

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length
    // Use an index: iterating over bytes takes ten times as long.
    for (let index = 0; index < chunk.length; ) {
      if (this.#strings.isInside) index = this.#strings.skip(chunk, index)
      else this.#see(chunk[index++])
    }
  }

  #see(byte: number | undefined): void {
    if (opens(byte)) {
      this.#tokens += 1
      this.#open += 1
      this.depth = Math.max(this.depth, this.#open)
    } else if (closes(byte)) {
      this.#tokens += 1
      this.#open -= 1
    } else if (byte === 0x2c || byte === 0x3a) this.#tokens += 1
    else this.#strings.see(byte)
  }
}
