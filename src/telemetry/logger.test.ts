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
