import { beforeAll, expect, test } from 'vitest'
import { createAuthority, dayMs } from './authority.ts'
import { issue, type KeyPair } from './issue.ts'
import { createServing, type ServingNames } from './serving.ts'
import { verifyAuthority, verifyPair, verifyServing } from './verify.ts'

const nowMs = Date.UTC(2027, 0, 1)
const serving: ServingNames = { service: 'warmgate', namespace: 'system', extra: ['127.0.0.1'] }
const names = ['warmgate.system.svc', '127.0.0.1']
let authority: KeyPair
let stranger: KeyPair
let leaf: KeyPair

beforeAll(async () => {
  ;[authority, stranger] = await Promise.all([
    createAuthority({ nowMs, validDays: 30 }),
    createAuthority({ nowMs, validDays: 30 }),
  ])
  leaf = await createServing({ authority, names: serving, nowMs })
})

test('a leaf that its clients accept', () => {
  const caBundle = `${stranger.cert}-----BEGIN CERTIFICATE-----\nbad\n-----END CERTIFICATE-----\n${authority.cert}`
  expect(verifyServing(leaf, { caBundle, names, nowMs })).toEqual({
    kind: 'valid',
    expiresMs: nowMs + 7 * dayMs,
  })
})

test.each([
  ['Untrusted', () => verifyServing(leaf, { caBundle: stranger.cert, names, nowMs })],
  ['Untrusted', () => verifyServing(leaf, { caBundle: '', names, nowMs })],
  ['Expired', () => verifyServing(leaf, { caBundle: authority.cert, names, nowMs: nowMs + 7 * dayMs })],
  ['NotYetValid', () => verifyServing(leaf, { caBundle: authority.cert, names, nowMs: nowMs - 2 * dayMs })],
  ['WrongName', () => verifyServing(leaf, { caBundle: authority.cert, names: ['other.system.svc'], nowMs })],
  ['WrongName', () => verifyServing(leaf, { caBundle: authority.cert, names: ['10.0.0.1'], nowMs })],
  [
    'KeyMismatch',
    () => verifyServing({ ...leaf, key: stranger.key }, { caBundle: authority.cert, names, nowMs }),
  ],
  ['KeyMismatch', () => verifyPair({ ...leaf, key: stranger.key })],
  ['Unreadable', () => verifyPair({ key: '', cert: '' })],
  ['Unreadable', () => verifyPair({ ...leaf, cert: 'nonsense' })],
  ['NotAnAuthority', () => verifyAuthority(leaf)],
] as const)('%s', (reason, verdict) => {
  expect(verdict()).toEqual({ kind: 'invalid', reason, message: expect.stringMatching(/./) })
})

test('a leaf that outlives its authority ends with it', async () => {
  const short = await createAuthority({ nowMs, validDays: 1 })
  const span = { notBeforeMs: nowMs, notAfterMs: nowMs + 9 * dayMs }
  const orphan = await issue({ commonName: 'x', ...span, extensions: [], issuer: short })
  const trust = { caBundle: short.cert, names: [] }
  expect(verifyServing(orphan, { ...trust, nowMs })).toMatchObject({ kind: 'valid' })
  expect(verifyServing(orphan, { ...trust, nowMs: nowMs + dayMs })).toMatchObject({ reason: 'Untrusted' })
})
