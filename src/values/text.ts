import { limits } from './limits.ts'

const slash = '/'.charCodeAt(0)
const dnsLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Whether a text can be the name of a namespace or of a volume (RFC 1123). */
export function isDnsLabel(text: string): boolean {
  return dnsLabel.test(text)
}

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

// Control characters, format characters (bidirectional overrides among them), line separators, halves of a character.
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

// Most texts are this; the classes above take ten times as long.
const plain = /^[ -~]*$/

/**
 * Foreign text as one line for a terminal: characters that could move the cursor, change colours, reverse or forge a
 * line are escaped as in JSON, e.g. `\u001b`.
 */
export function printable(text: string): string {
  if (plain.test(text)) return text
  return text.replace(unprintable, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/** Foreign text as a message may repeat it: printable, and cut to 200 characters. */
export function quoted(text: string): string {
  return printable(text.length > limits.message ? `${text.slice(0, limits.message)}…` : text)
}

/** The same for several lines that Warmgate wrote, such as JSON or YAML with quoted strings. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** The same for YAML, as go-yaml reads it between double quotes: it knows no pairs of surrogates. */
export function printableYaml(text: string): string {
  const escaped = (character: string) => `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`
  return text
    .split('\n')
    .map((line) => line.replace(unprintable, escaped))
    .join('\n')
}

const placeholder = /\{\{[^{}\n]*\}\}|\{%[^{}\n]*%\}|\$\{[^${}\n]*\}|<[A-Za-z][^<>\n]*>/

/** Whether a text holds what a template fills in, such as `{{ x }}`, `{% x %}`, `${URI}` or `<patch-me>`. */
export function hasPlaceholder(text: string): boolean {
  return placeholder.test(text)
}
