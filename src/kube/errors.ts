import { isObject, type Json, stringAt } from '../values/object.ts'

// A refusal repeats the refused values, which may be of any length.
const longestWords = 500

/**
 * A failed call to the Kubernetes API. The message names the call; it never holds what was sent, and only the
 * beginning of the server's message.
 */
export class KubeError extends Error {
  readonly code = 'WG010'
  /** The HTTP status; 0 without a response. */
  readonly status: number
  /** Kubernetes' reason, e.g. AlreadyExists or Conflict; empty if there was none. */
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

/** Whether the server refused the call itself, so that a retry is useless before something changes. */
export function isRefusal(error: unknown): error is KubeError {
  return (
    error instanceof KubeError && error.status >= 400 && error.status < 500 && !hasStatus(error, 409, 429)
  )
}

export function hasStatus(error: unknown, ...statuses: number[]): boolean {
  return error instanceof KubeError && statuses.includes(error.status)
}

/** The message in the body of a failed call: of a Status object, or the text of a proxy. */
export function describeStatus(body: string): { reason: string; message: string } {
  try {
    const status: unknown = JSON.parse(body)
    if (isObject(status))
      return { reason: stringAt(status, 'reason') ?? '', message: stringAt(status as Json, 'message') ?? '' }
  } catch {
    // A proxy does not answer with a Status.
  }
  return { reason: '', message: body.slice(0, 200) }
}
