import type { WriteStream } from 'node:tty'

const styles = { bold: '1', dim: '2', cyan: '36' } as const

/**
 * Prints the demo's output. On a terminal the progress bar is redrawn in place; elsewhere (a pipe, a test)
 * every 10 % is a new line.
 */
export class Screen {
  readonly #out: Pick<WriteStream, 'write'> & { isTTY?: boolean; columns?: number }
  #startedMs = 0
  #tenth: number | undefined

  constructor(out: Pick<WriteStream, 'write'> & { isTTY?: boolean }) {
    this.#out = out
  }

  /** Sets the time from which events are counted. */
  begin(nowMs: number): void {
    this.#startedMs = nowMs
  }

  title(text: string): void {
    this.line(`\n${this.#style('bold', text)}`)
  }

  /** Prints an event with the seconds since `begin`. */
  event(nowMs: number, who: string, what: string): void {
    const seconds = ((nowMs - this.#startedMs) / 1_000).toFixed(1).padStart(6)
    this.line(`${this.#style('dim', `${seconds} s`)}  ${this.#style('cyan', who.padEnd(10))} ${what}`)
  }

  text(text: string): void {
    for (const line of text.split('\n')) this.line(`    ${line}`)
  }

  progress(label: string, fraction: number, detail: string): void {
    const width = 30
    const tenth = Math.floor(fraction * 10)
    const filled = Math.round(fraction * width)
    const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`
    const text = `          ${label} ${bar} ${String(Math.floor(fraction * 100)).padStart(3)} %  ${detail}`
    if (this.#out.isTTY) this.#out.write(`\r\u001b[K${text}`)
    else if (tenth !== this.#tenth) this.#out.write(`${text}\n`)
    this.#tenth = tenth
  }

  line(text: string): void {
    if (this.#tenth !== undefined && this.#out.isTTY) this.#out.write('\n')
    this.#tenth = undefined
    this.#out.write(`${text}\n`)
  }

  #style(style: keyof typeof styles, text: string): string {
    return this.#out.isTTY ? `\u001b[${styles[style]}m${text}\u001b[0m` : text
  }
}
