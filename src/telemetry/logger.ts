import { type DestinationStream, type LoggerOptions, type Logger as PinoLogger, pino } from 'pino'
import { boundedFields, cutText } from './bounded.ts'

export type Logger = PinoLogger

const hidden = '[Redacted]'

// Whole objects are never logged; these paths protect against a mistake.
const secret = ['data', 'stringData', 'token', 'password', 'authorization', 'cookie', 'privateKey', 'keyPem']
// A work item's name is a key too, and a URL is worth reading up to its query.
const partlySecret = ['key', 'url', 'originalUrl']
const paths = [...secret, ...partlySecret].flatMap((field) => [
  field,
  `*.${field}`,
  `*.*.${field}`,
  `*.*.*.${field}`,
])

/**
 * Logs as JSON lines, with everything redacted that could hold a secret. Tenants may write fields that are
 * megabytes long: what is logged is cut.
 */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths, censor },
    formatters: { level: (label: string) => ({ level: label }), log: boundedFields },
    // By now it is a plain object, which pino would take for an error of type Object.
    serializers: { err: (error: unknown) => error },
    hooks: {
      logMethod(args, method) {
        const [fields, message = messageOf(fields)] = args as [unknown, unknown]
        if (typeof fields === 'string') method.call(this, cutText(fields))
        else method.call(this, fields as object, typeof message === 'string' ? cutText(message) : undefined)
      },
    },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** As in pino: an error that is logged without a message uses its own message. */
function messageOf(fields: unknown): unknown {
  const error = fields instanceof Error ? fields : (fields as { err?: unknown } | null)?.err
  return error instanceof Error ? error.message : undefined
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
