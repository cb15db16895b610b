import { X509Certificate } from 'node:crypto'
import { listAt, objectAt, stringAt } from '../../values/object.ts'
import { check, type Finding, failed, itemsOf, nameOf, ok, some, warning } from './check.ts'
import type { Snapshot } from './snapshot.ts'

const dayMs = 86_400_000
/** Warmgate replaces an authority earlier than this. If an authority gets this old, no replica renews it. */
const dueDays = 14

/** The authorities that the API server trusts for Warmgate's webhooks. */
export const certificates = check('certificates', ['webhooks'], ({ webhooks }, snapshot) => {
  const own = webhooks.find((each) => nameOf(each) === snapshot.configuration)
  const bundles = listAt(own, 'webhooks').map(
    (webhook) => stringAt(webhook, 'clientConfig', 'caBundle') ?? '',
  )
  if (own === undefined) return failed('no webhook has a caBundle', 'install Warmgate')
  if (bundles.some((bundle) => bundle === ''))
    return failed('a webhook has no caBundle: the API server trusts no certificate', startReplica)
  if (new Set(bundles).size > 1)
    return failed(
      'the webhooks have different caBundles',
      'delete the field caBundle of all: Warmgate writes it',
    )
  const authorities = authoritiesIn(bundles[0] ?? '')
  if (authorities === undefined)
    return failed('the caBundle is no certificate in PEM', 'delete the field caBundle: Warmgate writes it')
  return inTime(authorities, snapshot.nowMs) ?? ofSecret(authorities, snapshot)
})

const startReplica = 'a running replica writes it: see the log of Warmgate for WG031'

function inTime(authorities: X509Certificate[], nowMs: number): Finding | undefined {
  const ends = authorities.map(({ validToDate }) => validToDate.getTime())
  const valid = ends.filter((endMs) => endMs > nowMs)
  if (valid.length === 0)
    return failed(
      `the authorities of the caBundle expired at ${new Date(Math.max(...ends)).toISOString()}`,
      startReplica,
    )
  const days = Math.floor((Math.max(...valid) - nowMs) / dayMs)
  if (days < dueDays)
    return warning(`the last authority of the caBundle expires in ${days} days`, startReplica)
  return undefined
}

/** If Warmgate's own Secret can be read: whether the API server trusts the authorities in it. */
function ofSecret(authorities: X509Certificate[], { lists, nowMs }: Snapshot): Finding {
  const last = Math.max(...authorities.map(({ validToDate }) => validToDate.getTime()))
  const green = ok(
    `the caBundle has ${some(authorities.map(({ subject }) => subject.replace(/\n/g, ' ')))}, valid for ${Math.floor((last - nowMs) / dayMs)} days`,
  )
  const [secret] = itemsOf(lists.certificates)
  if (secret === undefined) return green
  const trusted = new Set(authorities.map(({ fingerprint256 }) => fingerprint256))
  const inSecret = Object.values(objectAt(secret, 'data')).flatMap((text) =>
    typeof text === 'string' ? (authoritiesIn(text) ?? []) : [],
  )
  if (inSecret.every(({ fingerprint256 }) => trusted.has(fingerprint256))) return green
  return failed(`the caBundle lacks an authority of Secret ${nameOf(secret)}`, startReplica)
}

/** The certificates in base64 of PEM; undefined if there are none. */
function authoritiesIn(encoded: string): X509Certificate[] | undefined {
  const pem = Buffer.from(encoded, 'base64').toString()
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    return blocks.length === 0 ? undefined : blocks.map((block) => new X509Certificate(block))
  } catch {
    return undefined
  }
}
