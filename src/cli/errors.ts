import { KubeError } from '../kube/errors.ts'

/** An invalid command line. */
export class UsageError extends Error {
  readonly code = 'WG002'
}

/** An error as one line: its code, the problem, and what to do. */
export function describeError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const advice = error instanceof KubeError ? adviceFor(error) : undefined
  return `${codeOf(error)}${message}${advice === undefined ? '' : `; ${advice}`}`
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return code.startsWith('WG') ? `${code}: ` : ''
}

function adviceFor({ status }: KubeError): string | undefined {
  if (status === 0) return 'is the API server reached? Try kubectl get --raw /readyz with the same context'
  if (status === 401) return 'log in again, or name another context with --context'
  if (status === 403) return 'ask an administrator for that right, or name another context with --context'
  return undefined
}
