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
