import { X509Certificate } from 'node:crypto'
import { type Json, stringAt } from '../values/object.ts'
import { backdatedMs, createAuthority, dayMs } from './authority.ts'
import type { KeyPair } from './issue.ts'
import { type CertificateProblem, certificatesIn, verifyAuthority } from './verify.ts'

const slots = ['ca1', 'ca2'] as const
export type Slot = (typeof slots)[number]

/**
 * Two authorities, half a life apart, both trusted by the API server: while one is replaced, the other is
 * known to every replica and to the API server, so that no handshake meets an unknown authority.
 */
export type Bundle = Record<Slot, KeyPair>

export const authorityDays = 360
const renewDaysBefore = 90
// A new authority signs only when it is this old: by then every replica and API server knows it.
const settleMs = 2 * 3_600_000
// Replace an authority only when the other one is this old: by then the other one signed every replica's
// certificate.
const replaceMs = 3 * settleMs
// Of earlier bundles: two for each, if the Secret is deleted again and again.
const mostEarlier = 8

export type BundleRead =
  | { kind: 'valid'; bundle: Bundle }
  | { kind: 'absent' }
  | { kind: 'invalid'; reason: CertificateProblem; message: string }

export type Renewal = { kind: 'keep' } | { kind: 'renew'; slots: Slot[]; message: string }

export async function createBundle(nowMs: number): Promise<Bundle> {
  const [ca1, ca2] = await Promise.all([
    createAuthority({ nowMs, validDays: authorityDays / 2 }),
    createAuthority({ nowMs, validDays: authorityDays }),
  ])
  return { ca1, ca2 }
}

/** Replaces the authorities in `slots` by new ones. */
export async function renewBundle(bundle: Bundle, due: readonly Slot[], nowMs: number): Promise<Bundle> {
  const renewed = { ...bundle }
  for (const slot of due) renewed[slot] = await createAuthority({ nowMs, validDays: authorityDays })
  return renewed
}

/**
 * The authority to replace now: an expired one immediately, one that expires soon only if the other is old
 * enough.
 */
export function decideRenewal(bundle: Bundle, nowMs: number): Renewal {
  const expired = slots.filter((slot) => endMs(bundle[slot]) <= nowMs)
  if (expired.length > 0) return { kind: 'renew', slots: expired, message: `expired: ${expired.join(', ')}` }
  const [first, other] = endMs(bundle.ca1) <= endMs(bundle.ca2) ? slots : ([slots[1], slots[0]] as const)
  const leftMs = endMs(bundle[first]) - nowMs
  if (leftMs > renewDaysBefore * dayMs || ageMs(bundle[other], nowMs) < replaceMs) return { kind: 'keep' }
  return { kind: 'renew', slots: [first], message: `${first} ends in ${Math.floor(leftMs / dayMs)} days` }
}

/**
 * The authority that signs: the one that expires last, if possible among those that are old enough to be
 * trusted.
 */
export function signerOf(bundle: Bundle, nowMs: number): KeyPair {
  const all = [bundle.ca1, bundle.ca2].toSorted((a, b) => endMs(b) - endMs(a)) as [KeyPair, KeyPair]
  return all.find((ca) => ageMs(ca, nowMs) >= settleMs && endMs(ca) > nowMs) ?? all[0]
}

/** PEM of both authorities, for the API server's caBundle. */
export function caBundleOf({ ca1, ca2 }: Bundle): string {
  return ca1.cert + ca2.cert
}

/**
 * The same, with the authorities that `published` (PEM) has besides, while the one that signs is younger than
 * `retireMs`: until then, other replicas may serve certificates of theirs.
 */
export function caBundleAfter(
  published: string,
  bundle: Bundle,
  { nowMs, retireMs }: { nowMs: number; retireMs: number },
): string {
  const current = caBundleOf(bundle)
  if (ageMs(signerOf(bundle, nowMs), nowMs) >= retireMs) return current
  const known = new Set(certificatesIn(current).map(({ fingerprint256 }) => fingerprint256))
  const earlier = certificatesIn(published).filter(({ fingerprint256 }) => !known.has(fingerprint256))
  return [current, ...earlier.slice(0, mostEarlier)].join('')
}

export function expiriesOf(bundle: Bundle): { slot: Slot; expiresMs: number }[] {
  return slots.map((slot) => ({ slot, expiresMs: endMs(bundle[slot]) }))
}

/** The bundle as the `data` of a Secret. */
export function toSecretData(bundle: Bundle): { [field: string]: string } {
  return Object.fromEntries(
    slots.flatMap((slot) => [
      [`${slot}.crt`, base64(bundle[slot].cert)],
      [`${slot}.key`, base64(bundle[slot].key)],
    ]),
  )
}

/** The bundle in the `data` of a Secret; an empty Secret holds none yet. */
export function fromSecretData(data: Json | undefined): BundleRead {
  const [ca1, ca2] = [pairIn(data, 'ca1'), pairIn(data, 'ca2')]
  if (Object.values({ ...ca1, ...ca2 }).every((text) => text === '')) return { kind: 'absent' }
  for (const pair of [ca1, ca2]) {
    const verdict = verifyAuthority(pair)
    if (verdict.kind === 'invalid') return verdict
  }
  return { kind: 'valid', bundle: { ca1, ca2 } }
}

function pairIn(data: Json | undefined, slot: Slot): KeyPair {
  return { key: text(stringAt(data, `${slot}.key`)), cert: text(stringAt(data, `${slot}.crt`)) }
}

function endMs({ cert }: KeyPair): number {
  return new X509Certificate(cert).validToDate.getTime()
}

export function ageMs({ cert }: KeyPair, nowMs: number): number {
  return nowMs - backdatedMs - new X509Certificate(cert).validFromDate.getTime()
}

function base64(value: string): string {
  return Buffer.from(value).toString('base64')
}

function text(value = ''): string {
  return Buffer.from(value, 'base64').toString()
}
