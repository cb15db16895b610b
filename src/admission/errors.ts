const statuses = {
  BadRequest: 400,
  Forbidden: 403,
  NotFound: 404,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  TooManyRequests: 429,
  InternalError: 500,
} as const

/** A request that is no review, or that cannot be handled now. */
export class Refusal extends Error {
  readonly code = 'WG021'
  /** The reason of Kubernetes' Status. */
  readonly reason: keyof typeof statuses
  readonly status: number

  constructor(reason: keyof typeof statuses, message: string) {
    super(message)
    this.reason = reason
    this.status = statuses[reason]
  }
}

/** A review that was read and could not be decided: it is allowed, unchanged. */
export class Undecided extends Error {
  readonly code = 'WG020'
  readonly reason: 'InternalError' | 'DeadlineExceeded' | 'InvalidPatch'

  constructor(reason: Undecided['reason'], message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
  }
}
