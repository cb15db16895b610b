// Control characters, format characters (bidirectional overrides among them), line separators, halves of a character.
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * A text of somebody else's as one line for a terminal: what could move the cursor, change colours, reverse or forge a
 * line is written as JSON writes it, e.g. `\u001b`.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/** The same for a text of several lines that are our own, such as JSON or YAML whose texts are quoted. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
