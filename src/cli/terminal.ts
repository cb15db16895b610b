/** Where text is written. A terminal has a size, and says when it changes. */
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
