import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

const hidden = '[Redacted]'

// Whole objects are not logged at all; these are for the day that somebody does.
const secret = ['data', 'stringData', 'token', 'password', 'authorization', 'cookie', 'privateKey', 'keyPem']
// A work item's name is a key too, and a URL is worth reading up to its query.
const partlySecret = ['key', 'url', 'originalUrl']
const paths = [...secret, ...partlySecret].flatMap((field) => [
  field,
  `*.${field}`,
  `*.*.${field}`,
  `*.*.*.${field}`,
])

/** Logs as JSON lines, with everything redacted that could hold a secret. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths, censor },
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

function censor(value: unknown, path: string[]): unknown {
  const field = path.at(-1)
  if (field === 'url' || field === 'originalUrl') return withoutQuery(value)
  if (field === 'key') return isName(value) ? value : hidden
  return hidden
}

function withoutQuery(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/\?.*$/s, `?${hidden}`) : hidden
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.length < 512 && !value.includes('PRIVATE KEY')
}
