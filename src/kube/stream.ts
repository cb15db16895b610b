import { closes, opens, StringSkipper } from '../values/json-bytes.ts'
import { isObject, type Json, type JsonObject } from '../values/object.ts'

// etcd stores 1.5 MiB an object, and the API server takes 3 MiB: an item or an event of more is no Kubernetes
// object.
const mostObjectBytes = 16 * 2 ** 20
const mostHeadBytes = 2 ** 20

const comma = 0x2c
const quote = 0x22
const listOpens = 0x5b
const newline = 0x0a
const itemsField = 'items"'

/** Bytes that belong together and arrive in chunks. */
class Pieces {
  readonly #most: number
  #pieces: Uint8Array[] = []
  #length = 0

  constructor(mostBytes: number) {
    this.#most = mostBytes
  }

  add(bytes: Uint8Array): void {
    this.#length += bytes.length
    if (this.#length > this.#most)
      throw new Error(`the server sent more than ${this.#most} bytes for one object`)
    if (bytes.length > 0) this.#pieces.push(bytes)
  }

  /** Takes all of them as text. */
  take(): string {
    const [first, ...others] = this.#pieces
    const whole = first === undefined || others.length > 0 ? Buffer.concat(this.#pieces) : first
    const text = Buffer.from(whole.buffer, whole.byteOffset, whole.length).toString()
    this.#pieces = []
    this.#length = 0
    return text
  }
}

/**
 * Splits a List into its items as it arrives. Items are parsed one at a time, so that a page of large objects
 * is never in memory as a whole. It accepts exactly what JSON.parse accepts.
 */
export class ItemSplitter {
  readonly #strings = new StringSkipper()
  readonly #head = new Pieces(mostHeadBytes)
  readonly #item = new Pieces(mostObjectBytes)
  #depth = 0
  /**
   * The start of the last string directly in the list object, with its closing quote. When an array opens,
   * this is the name of its field.
   */
  #field = ''
  #isInItems = false
  #count = 0
  /** The offset in the current bytes of the first byte that is not kept yet. */
  #from = 0

  /** The items that end in these bytes. */
  push(bytes: Uint8Array): Json[] {
    const items: Json[] = []
    this.#from = 0
    for (let index = 0; index < bytes.length; ) {
      if (this.#strings.isInside) {
        index = this.#skipString(bytes, index)
        continue
      }
      const byte = bytes[index++]
      if (opens(byte)) this.#open(bytes, index)
      else if (closes(byte)) this.#close(bytes, index, items)
      else if (byte === comma) this.#separate(bytes, index, items)
      else this.#strings.see(byte)
      if (byte === quote && this.#depth === 1) this.#field = ''
    }
    this.#keep(bytes, bytes.length)
    return items
  }

  /** The list without its items, once all of it has arrived. */
  end(): JsonObject {
    const head = parseJson(this.#head.take())
    if (!isObject(head)) throw new Error('the server sent something that is not a list')
    return head
  }

  #skipString(bytes: Uint8Array, from: number): number {
    const end = this.#strings.skip(bytes, from)
    if (this.#depth === 1 && this.#field.length < itemsField.length)
      this.#field += Buffer.from(bytes.subarray(from, Math.min(end, from + itemsField.length))).toString(
        'latin1',
      )
    return end
  }

  #open(bytes: Uint8Array, index: number): void {
    this.#depth += 1
    if (this.#depth !== 2 || bytes[index - 1] !== listOpens || this.#field !== itemsField) return
    this.#keep(bytes, index)
    this.#isInItems = true
  }

  #close(bytes: Uint8Array, index: number, items: Json[]): void {
    if (this.#isInItems && this.#depth === 2) {
      this.#keep(bytes, index - 1)
      const text = this.#item.take()
      // Empty brackets hold no item; nothing after a comma is invalid JSON.
      if (this.#count > 0 || text.trim() !== '') items.push(parseJson(text))
      this.#isInItems = false
      this.#count = 0
    }
    this.#depth -= 1
  }

  #separate(bytes: Uint8Array, index: number, items: Json[]): void {
    if (!this.#isInItems || this.#depth !== 2) return
    this.#keep(bytes, index - 1)
    items.push(parseJson(this.#item.take()))
    this.#count += 1
    this.#from = index
  }

  #keep(bytes: Uint8Array, end: number): void {
    const pieces = this.#isInItems ? this.#item : this.#head
    pieces.add(bytes.subarray(this.#from, end))
    this.#from = end
  }
}

/**
 * The complete lines of a body; drops an incomplete last line. (node:readline also splits at U+2028, which
 * JSON may contain, and does not report an interrupted input.)
 */
export async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const line = new Pieces(mostObjectBytes)
  for await (const bytes of body) {
    let from = 0
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
      line.add(bytes.subarray(from, end))
      yield line.take()
      from = end + 1
    }
    line.add(bytes.subarray(from))
  }
}

/** Unlike V8's, its error does not quote what was parsed, which may be a Secret. */
export function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    throw new Error('the server sent incomplete or invalid JSON')
  }
}
