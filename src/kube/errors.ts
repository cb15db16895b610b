import { isObject, type Json, stringAt } from '../values/object.ts'

/** A call to the Kubernetes API that failed. The message says which call; it never holds what was sent. */
export class KubeError extends Error {
  readonly code = 'WG010'
  /** The HTTP status; 0 where no answer came. */
  readonly status: number
  /** Kubernetes' own word, e.g. AlreadyExists or Conflict; empty where it gave none. */
  readonly reason: string

  constructor(call: string, answer: { status: number; reason?: string; message: string }, cause?: unknown) {
    super(`${call}: ${answer.message}${answer.status === 0 ? '' : ` (HTTP ${answer.status})`}`, { cause })
    this.status = answer.status
    this.reason = answer.reason ?? ''
  }
}

export function hasStatus(error: unknown, ...statuses: number[]): boolean {
  return error instanceof KubeError && statuses.includes(error.status)
}

/** The server's words in the body of a failed call: a Status object, or whatever stood in the way of one. */
export function describeStatus(body: string): { reason: string; message: string } {
  try {
    const status: unknown = JSON.parse(body)
    if (isObject(status))
      return { reason: stringAt(status, 'reason') ?? '', message: stringAt(status as Json, 'message') ?? '' }
  } catch {
    // A proxy answers in its own language.
  }
  return { reason: '', message: body.slice(0, 200) }
}
