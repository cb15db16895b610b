// The memory that one structural token may cost: JSON.parse makes up to 31 bytes of one (`{"k1":{},…`, measured on
// Node 24), and a review is copied two or three times.
const tokenBytes = 100
// The decoded text and its strings: two bytes per character each, if one character needs that.
const textFactor = 3

const quote = 0x22
const backslash = 0x5c

// By byte: whether it is a token, and how it changes the depth. A look-up takes half the time of six comparisons.
const isToken = new Uint8Array(256)
const levels = new Int8Array(256)
for (const byte of Buffer.from(',:{}[]')) isToken[byte] = 1
for (const byte of Buffer.from('{[')) levels[byte] = 1
for (const byte of Buffer.from('}]')) levels[byte] = -1

/**
 * Estimates what a JSON text will cost once it is parsed, from its bytes as they arrive. Looks at each byte once. The
 * length of a body says little about its parsed size: 6.9 MiB of `{},` are 2.4 million objects.
 */
export class JsonWeight {
  /** The maximum depth of its objects and lists. */
  depth = 0
  #bytes = 0
  #tokens = 0
  #open = 0
  #isInString = false
  #isEscaped = false

  /** In bytes: an upper estimate, copies included. */
  get cost(): number {
    return this.#bytes * textFactor + this.#tokens * tokenBytes
  }

  push(chunk: Uint8Array): void {
    const { length } = chunk
    if (length === 0) return
    // Count in variables: fields of an object take twice the time.
    let index = this.#isInString ? afterString(chunk, this.#isEscaped ? 1 : 0) : 0
    let tokens = this.#tokens
    let open = this.#open
    let depth = this.depth
    while (index < length) {
      const byte = chunk[index++] as number
      if (byte === quote) index = afterString(chunk, index)
      else if (isToken[byte] !== 0) {
        tokens += 1
        open += levels[byte] as number
        if (open > depth) depth = open
      }
    }
    this.#bytes += length
    this.#isInString = index > length
    this.#isEscaped = index > length + 1
    this.#tokens = tokens
    this.#open = open
    this.depth = depth
  }
}

/**
 * The index after the closing quote; without one, the length and one more, or two more if the first byte that follows
 * is escaped.
 */
function afterString(chunk: Uint8Array, from: number): number {
  let index = from
  while (index < chunk.length) {
    const byte = chunk[index++]
    if (byte === quote) return index
    if (byte === backslash) index += 1
  }
  return index + 1
}
