const quote = 0x22
const backslash = 0x5c

/** Finds the ends of JSON strings in bytes that arrive in pieces. UTF-8 has neither byte inside a letter. */
export class StringSkipper {
  /** Whether the bytes that come next are inside a string. */
  isInside = false
  #isEscaped = false

  /** To be called with each byte outside of strings. */
  see(byte: number | undefined): void {
    if (byte === quote) this.isInside = true
  }

  /** The index after the string's closing quote, or the end of the piece where the string goes on. */
  skip(bytes: Uint8Array, from: number): number {
    let isEscaped = this.#isEscaped
    let index = from
    while (index < bytes.length) {
      const byte = bytes[index++]
      if (isEscaped) isEscaped = false
      else if (byte === backslash) isEscaped = true
      else if (byte === quote) {
        this.isInside = false
        break
      }
    }
    this.#isEscaped = isEscaped
    return index
  }
}

export function opens(byte: number | undefined): boolean {
  return byte === 0x7b || byte === 0x5b
}

export function closes(byte: number | undefined): boolean {
  return byte === 0x7d || byte === 0x5d
}
