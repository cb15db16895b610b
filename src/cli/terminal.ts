import { printable } from '../values/text.ts'

/** The output of a command. A terminal has a size, and reports changes of it. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  on?(event: 'resize', listener: () => void): unknown
  off?(event: 'resize', listener: () => void): unknown
}

export interface Streams {
  stdin: NodeJS.ReadableStream
  stdout: Output
  stderr: Pick<Output, 'write'>
}

/** The streams of a command that only prints. */
export type Printing = { stdout: Pick<Output, 'write'> }

/** Prints one line, which may hold foreign text. */
export type Say = (line: string) => void

export function sayTo({ stdout }: Printing): Say {
  return (line) => stdout.write(`${printable(line)}\n`)
}
