/** A reason why a cluster cannot start. The message says what to do. */
export class ClusterError extends Error {
  readonly code: ClusterErrorCode

  constructor(code: ClusterErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ClusterError'
    this.code = code
  }
}

export type ClusterErrorCode =
  | 'GO_MISSING'
  | 'GO_TOO_OLD'
  | 'BUILD_FAILED'
  | 'ASSETS_MISSING'
  | 'RUNC_MISSING'
  | 'PROMETHEUS_MISSING'
  | 'PROCESS_DIED'
  | 'TIMED_OUT'
