import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { createAuthority } from './authority.ts'

const nowMs = Date.UTC(2027, 0, 1)

test('an authority signs itself, may sign others, and lives as long as asked', async () => {
  const { cert, key } = await createAuthority({ nowMs, validDays: 360 })
  const certificate = new X509Certificate(cert)
  expect(certificate.ca).toBe(true)
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(certificate.validFromDate.toISOString()).toBe('2026-12-31T23:00:00.000Z')
  expect(certificate.validToDate.toISOString()).toBe('2027-12-27T00:00:00.000Z')
  expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
  expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048)
})

test('no two authorities share a serial number, a name or a key', async () => {
  const pair = await Promise.all([1, 2].map(() => createAuthority({ nowMs, validDays: 1 })))
  const [one, other] = pair.map(({ cert }) => new X509Certificate(cert))
  expect(one?.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/)
  expect(one?.serialNumber).not.toBe(other?.serialNumber)
  expect(one?.subject).not.toBe(other?.subject)
  expect(pair[0]?.key).not.toBe(pair[1]?.key)
})

test('making one does not block the event loop for the time that a key takes', async () => {
  let turns = 0
  const spinning = setInterval(() => turns++, 1)
  await createAuthority({ nowMs, validDays: 1 })
  clearInterval(spinning)
  expect(turns).toBeGreaterThan(0)
})
