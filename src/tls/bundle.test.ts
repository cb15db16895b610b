import { beforeAll, expect, test } from 'vitest'
import { dayMs } from './authority.ts'
import {
  type Bundle,
  caBundleOf,
  createBundle,
  decideRenewal,
  expiriesOf,
  fromSecretData,
  renewBundle,
  signerOf,
  toSecretData,
} from './bundle.ts'
import { createServing } from './serving.ts'

const nowMs = Date.UTC(2027, 0, 1)
const hourMs = 3_600_000
let bundle: Bundle

beforeAll(async () => {
  bundle = await createBundle(nowMs)
})

test('two authorities, half a life apart, both in what the API server trusts', () => {
  expect(expiriesOf(bundle)).toEqual([
    { slot: 'ca1', expiresMs: nowMs + 180 * dayMs },
    { slot: 'ca2', expiresMs: nowMs + 360 * dayMs },
  ])
  expect(caBundleOf(bundle)).toBe(bundle.ca1.cert + bundle.ca2.cert)
})

test('a Secret gives back what was put into it', () => {
  expect(fromSecretData(toSecretData(bundle))).toEqual({ kind: 'valid', bundle })
})

test.each([
  [undefined, { kind: 'absent' }],
  [{}, { kind: 'absent' }],
  [{ other: 'eA==' }, { kind: 'absent' }],
])('a Secret with data %j has no bundle yet', (data, expected) => {
  expect(fromSecretData(data)).toEqual(expected)
})

test('a Secret with unusable content says why', async () => {
  const data = toSecretData(bundle)
  const leaf = await createServing({
    authority: bundle.ca1,
    names: { service: 'a', namespace: 'b' },
    nowMs,
  })
  const { 'ca1.key': firstKey, ...withoutKey } = data
  expect(fromSecretData(withoutKey)).toMatchObject({ kind: 'invalid', reason: 'Unreadable' })
  expect(fromSecretData({ ...data, 'ca2.key': firstKey })).toMatchObject({ reason: 'KeyMismatch' })
  expect(fromSecretData({ ...data, 'ca2.crt': 'AAAA' })).toMatchObject({ reason: 'Unreadable' })
  expect(fromSecretData(toSecretData({ ...bundle, ca2: leaf }))).toMatchObject({ reason: 'NotAnAuthority' })
})

test('an authority is replaced 90 days before its end, the other one stays', async () => {
  expect(decideRenewal(bundle, nowMs)).toEqual({ kind: 'keep' })
  expect(decideRenewal(bundle, nowMs + 90 * dayMs - 1)).toEqual({ kind: 'keep' })
  expect(decideRenewal(bundle, nowMs + 90 * dayMs)).toMatchObject({ kind: 'renew', slots: ['ca1'] })
  const renewed = await renewBundle(bundle, ['ca1'], nowMs + 90 * dayMs)
  expect(renewed.ca2).toEqual(bundle.ca2)
  expect(expiriesOf(renewed)[0]).toEqual({ slot: 'ca1', expiresMs: nowMs + 450 * dayMs })
})

test('after a long sleep an expired authority goes at once, the other only when the new one is well known', async () => {
  const lateMs = nowMs + 350 * dayMs
  expect(decideRenewal(bundle, lateMs)).toMatchObject({ kind: 'renew', slots: ['ca1'] })
  const renewed = await renewBundle(bundle, ['ca1'], lateMs)
  expect(decideRenewal(renewed, lateMs + 6 * hourMs - 1)).toEqual({ kind: 'keep' })
  expect(decideRenewal(renewed, lateMs + 6 * hourMs)).toMatchObject({ kind: 'renew', slots: ['ca2'] })
})

test('both expired: both replaced', () => {
  expect(decideRenewal(bundle, nowMs + 360 * dayMs)).toMatchObject({ kind: 'renew', slots: ['ca1', 'ca2'] })
})

test('a new authority signs only after two hours, unless there is no other', async () => {
  expect(signerOf(bundle, nowMs)).toBe(bundle.ca2)
  const lateMs = nowMs + 90 * dayMs
  const renewed = await renewBundle(bundle, ['ca1'], lateMs)
  expect(signerOf(renewed, lateMs)).toBe(renewed.ca2)
  expect(signerOf(renewed, lateMs + 2 * hourMs)).toBe(renewed.ca1)
})

test('over four years, an authority that signed before a rotation is trusted after it', async () => {
  let now = bundle
  let rotations = 0
  for (let week = 0; week < 4 * 52; week += 1) {
    const atMs = nowMs + week * 7 * dayMs
    const renewal = decideRenewal(now, atMs)
    if (renewal.kind === 'keep') continue
    const signer = signerOf(now, atMs)
    expect(renewal.slots).toHaveLength(1)
    now = await renewBundle(now, renewal.slots, atMs)
    expect(caBundleOf(now)).toContain(signer.cert)
    rotations += 1
  }
  expect(rotations).toBe(10)
})
