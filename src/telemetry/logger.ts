import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

// Whole objects are not logged at all; these are for the day that somebody does.
const secret = [
  'data',
  'stringData',
  'token',
  'password',
  'authorization',
  'headers.authorization',
  'key',
  'privateKey',
]
const redacted = secret.flatMap((path) => [path, `*.${path}`, `*.*.${path}`])

/** Logs as JSON lines, with everything redacted that could hold a secret. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: redacted,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}
