import { isObject, type Json, stringAt } from '../values/object.ts'

// A refusal repeats the values that it refuses, and these may be of any length.
const longestWords = 500

/**
 * A call to the Kubernetes API that failed. The message says which call; it never holds what was sent, and of the
 * server's words no more than their beginning.
 */
export class KubeError extends Error {
  readonly code = 'WG010'
  /** The HTTP status; 0 where no answer came. */
  readonly status: number
  /** Kubernetes' own word, e.g. AlreadyExists or Conflict; empty where it gave none. */
  readonly reason: string

  constructor(call: string, answer: { status: number; reason?: string; message: string }, cause?: unknown) {
    const status = answer.status === 0 ? '' : ` (HTTP ${answer.status})`
    super(`${cut(call)}: ${cut(answer.message)}${status}`, { cause })
    this.status = answer.status
    this.reason = answer.reason?.slice(0, 64) ?? ''
  }
}

/** The API server forbids what this process cannot work without, e.g. `list pods`. */
export class ForbiddenError extends Error {
  readonly code = 'WG033'

  constructor(calls: readonly string[]) {
    super(`the API server forbids: ${calls.join(', ')}; install the roles of manifests/base/rbac.yaml`)
  }
}

function cut(text: string): string {
  return text.length <= longestWords ? text : `${text.slice(0, longestWords)}…`
}

/** Whether the server refused a call for what was asked, so that asking again is of no use before something changes. */
export function isRefusal(error: unknown): error is KubeError {
  return (
    error instanceof KubeError && error.status >= 400 && error.status < 500 && !hasStatus(error, 409, 429)
  )
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
