import { expect, test } from 'vitest'
import { createLogger, type Logger } from './logger.ts'

function logged(log: (logger: Logger) => void, level = 'info'): { [field: string]: unknown }[] {
  const lines: string[] = []
  log(createLogger(level, { write: (line) => lines.push(line) }))
  return lines.map((line) => JSON.parse(line))
}

test('a line has a time, its level by name, and no host or process', () => {
  const [line] = logged((logger) => logger.info({ code: 'WG001' }, 'hello'))
  expect(line).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    code: 'WG001',
    msg: 'hello',
  })
})

test('the level is a threshold', () => {
  expect(logged((logger) => logger.info('quiet'), 'warn')).toEqual([])
})

test.each([
  ['Secret data', { object: { kind: 'Secret', data: { password: 'hunter2' } } }],
  ['Secret stringData', { stringData: { anything: 'hunter2' } }],
  ['a token', { config: { user: { token: 'hunter2' } } }],
  ['an authorization header', { request: { headers: { authorization: 'Bearer hunter2' } } }],
  [
    'an authorization header of an error',
    { err: Object.assign(new Error('x'), { headers: { authorization: 'hunter2' } }) },
  ],
  ['a private key', { tls: { key: '-----BEGIN RSA PRIVATE KEY-----\nhunter2' } }],
  ['a private key as bytes', { key: Buffer.from('hunter2') }],
  ['the query of a URL', { req: { url: '/mutate-service?secret=hunter2' } }],
])('%s never reaches the log', (_what, fields) => {
  const [line] = logged((logger) => logger.info(fields, 'something'))
  expect(JSON.stringify(line)).not.toContain('hunter2')
  expect(JSON.stringify(line)).not.toContain(Buffer.from('hunter2').toString('base64'))
  expect(JSON.stringify(line)).toContain('[Redacted]')
})

test('names and paths stay readable', () => {
  const [line] = logged((logger) => logger.info({ key: 'models/bloom', url: '/mutate-pod' }, 'something'))
  expect(line).toMatchObject({ key: 'models/bloom', url: '/mutate-pod' })
})

const mebibyte = 'x'.repeat(2 ** 20)
const service = {
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  metadata: { name: 'llama', namespace: 'models', annotations: { note: mebibyte } },
  spec: { predictor: {} },
}
const deep = { a: { b: { c: { d: { e: 'far down' } } } } }
const circular: { [field: string]: unknown } = { name: 'it' }
circular.self = circular

test.each<[string, unknown, string | undefined]>([
  ['an error of 1 MiB', { err: new Error(mebibyte) }, 'it failed'],
  ['an error of 1 MiB alone', { err: new Error(mebibyte) }, undefined],
  ['a bare error of 1 MiB', new Error(mebibyte, { cause: new Error(mebibyte) }), undefined],
  ['a message of 1 MiB', {}, mebibyte],
  ['10,000 fields', Object.fromEntries([...Array(10_000).keys()].map((n) => [`f${n}`, mebibyte])), 'x'],
  [
    '10,000 fields of an error',
    { err: Object.assign(new Error('x'), { all: Array(10_000).fill(mebibyte) }) },
    'x',
  ],
  ['fields with names of 1 MiB', { [mebibyte]: { [`${mebibyte}y`]: 1 } }, 'x'],
  ['a list of lists', { list: Array(1_000).fill(Array(1_000).fill(mebibyte)) }, 'x'],
  ['a service', { service }, 'x'],
  ['a service by itself', service, 'x'],
  ['services', { items: Array(1_000).fill(service) }, 'x'],
  ['an error that holds a service', { err: Object.assign(new Error('x'), { service }) }, 'x'],
  ['an object in a circle', circular, 'x'],
])('a line about %s stays short', (_, fields, message) => {
  const lines: string[] = []
  const logger = createLogger('info', { write: (line) => lines.push(line) })
  logger.info(fields as object, message)
  expect(lines).toHaveLength(1)
  expect(lines[0]?.length).toBeLessThan(24_000)
  expect(lines[0]).not.toContain('annotations')
  expect(lines[0]).not.toContain('x'.repeat(4_097))
})

test('a cut text shows that, with its original length', () => {
  const [line] = logged((logger) => logger.info({ text: mebibyte, deep, service, list: Array(60).fill(1) }))
  expect(line?.text).toBe(`${'x'.repeat(1_024)}… (1048576 characters)`)
  expect(line?.deep).toEqual({ a: { b: '{…}' } })
  expect(line?.service).toBe('InferenceService models/llama')
  expect(line?.list).toEqual([...Array(50).fill(1), '… 10 more'])
})

test('an error keeps its type, code, message and stack', () => {
  const error = Object.assign(new TypeError('no luck', { cause: new Error('rain') }), { code: 'WG010' })
  const [line] = logged((logger) => logger.warn({ err: error, againInMs: 200 }, 'work failed'))
  expect(line).toMatchObject({
    msg: 'work failed',
    againInMs: 200,
    err: {
      type: 'TypeError',
      code: 'WG010',
      message: 'no luck: rain',
      stack: expect.stringContaining('at '),
    },
  })
  expect(logged((logger) => logger.error(error))[0]).toMatchObject({ msg: 'no luck' })
})

test('control characters are escaped', () => {
  const lines: string[] = []
  const logger = createLogger('info', { write: (line) => lines.push(line) })
  logger.info({ text: 'a\u001b[2J\nb', err: new Error('\u001b]0;x\u0007') }, 'c\u001b\r\nd')
  expect(lines).toHaveLength(1)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finds control characters.
  expect(lines[0]?.trimEnd()).not.toMatch(/[\u0000-\u001f]/)
  expect(lines[0]).toContain(String.raw`a\u001b[2J\nb`)
})
