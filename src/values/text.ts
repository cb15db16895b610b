import { limits } from './limits.ts'

const slash = '/'.charCodeAt(0)

/** A text without slashes at its start. */
export function trimStartSlashes(text: string): string {
  let start = 0
  while (text.charCodeAt(start) === slash) start += 1
  return text.slice(start)
}

/** A text without slashes at its end. A regular expression for this takes quadratic time: `/\/+$/`. */
export function trimEndSlashes(text: string): string {
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) === slash) end -= 1
  return text.slice(0, end)
}

/** A text without slashes at its start and its end. */
export function trimSlashes(text: string): string {
  return trimEndSlashes(trimStartSlashes(text))
}

/** The segments of a path, without the empty ones: `/a//b/` has `a` and `b`. */
export function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '')
}

// What moves a cursor, reorders text or ends a line, and halves of characters.
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** Foreign text as a message may repeat it: cut to 200 characters, with control characters escaped (`\u001b`). */
export function printable(text: string): string {
  const cut = text.length > limits.message ? `${text.slice(0, limits.message)}…` : text
  return cut.replace(invisible, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
