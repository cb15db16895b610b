import { createPrivateKey, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { KeyPair } from './issue.ts'

export type CertificateProblem =
  | 'Unreadable'
  | 'KeyMismatch'
  | 'NotYetValid'
  | 'Expired'
  | 'WrongName'
  | 'NotAnAuthority'
  | 'Untrusted'

export type Verification =
  | { kind: 'valid'; expiresMs: number }
  | { kind: 'invalid'; reason: CertificateProblem; message: string }

/**
 * Whether a key belongs to its certificate. Check before each use: Node's `setSecureContext` accepts a pair
 * that does not match without an error, and then fails every handshake.
 */
export function verifyPair({ key, cert }: KeyPair): Verification {
  try {
    const certificate = new X509Certificate(cert)
    if (!certificate.checkPrivateKey(createPrivateKey(key)))
      return invalid('KeyMismatch', 'the private key does not belong to the certificate')
    return { kind: 'valid', expiresMs: certificate.validToDate.getTime() }
  } catch (error) {
    return invalid('Unreadable', `no PEM key and certificate: ${(error as Error).message}`)
  }
}

/** Whether a pair can sign serving certificates, regardless of the time. */
export function verifyAuthority(pair: KeyPair): Verification {
  const verdict = verifyPair(pair)
  if (verdict.kind === 'invalid' || new X509Certificate(pair.cert).ca) return verdict
  return invalid('NotAnAuthority', 'the certificate may not sign others')
}

/** Whether a client that trusts `caBundle` (PEM, any number) accepts this pair now, under every name. */
export function verifyServing(
  pair: KeyPair,
  { caBundle, names, nowMs }: { caBundle: string; names: readonly string[]; nowMs: number },
): Verification {
  const verdict = verifyPair(pair)
  if (verdict.kind === 'invalid') return verdict
  const certificate = new X509Certificate(pair.cert)
  const inTime = verifyTime(certificate, nowMs)
  if (inTime.kind === 'invalid') return inTime
  const missing = names.filter((name) => !carries(certificate, name))
  if (missing.length > 0)
    return invalid(
      'WrongName',
      `the certificate is for ${certificate.subjectAltName}, not ${missing.join(', ')}`,
    )
  const anchors = certificatesIn(caBundle)
  const chain = certificatesIn(pair.cert).slice(1)
  return verifyChain(certificate, { anchors, chain, nowMs }) ?? verdict
}

interface Trust {
  /** The authorities that the client trusts. */
  anchors: readonly X509Certificate[]
  /** The intermediate authorities that the server sends after its certificate. */
  chain: readonly X509Certificate[]
  nowMs: number
}

/** Why no chain leads from a certificate to an anchor; undefined if one does. */
function verifyChain(
  certificate: X509Certificate,
  { anchors, chain, nowMs }: Trust,
): Verification | undefined {
  // The certificate may be its own anchor: one that signs itself.
  if (anchors.some(({ fingerprint256 }) => fingerprint256 === certificate.fingerprint256)) return undefined
  const issuers = anchors.filter((authority) => isIssuedBy(certificate, authority))
  if (issuers.some((issuer) => verifyTime(issuer, nowMs).kind === 'valid')) return undefined
  const [between] = chain.filter((authority) => isIssuedBy(certificate, authority))
  if (between !== undefined && verifyTime(between, nowMs).kind === 'valid') {
    const rest = chain.filter((authority) => authority !== between)
    return verifyChain(between, { anchors, chain: rest, nowMs })
  }
  return issuers.length === 0
    ? invalid('Untrusted', 'no authority of the bundle has signed the certificate')
    : invalid('Untrusted', 'the authority that signed the certificate has expired')
}

/** Whether `authority` (PEM) has signed `cert` (PEM). */
export function isSignedBy(cert: string, authority: string): boolean {
  return isIssuedBy(new X509Certificate(cert), new X509Certificate(authority))
}

function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
}

function verifyTime({ validFromDate, validToDate, subject }: X509Certificate, nowMs: number): Verification {
  const expiresMs = validToDate.getTime()
  if (nowMs < validFromDate.getTime())
    return invalid('NotYetValid', `${subject} is valid from ${validFromDate.toISOString()}`)
  if (nowMs >= expiresMs) return invalid('Expired', `${subject} expired at ${validToDate.toISOString()}`)
  return { kind: 'valid', expiresMs }
}

function carries(certificate: X509Certificate, name: string): boolean {
  return (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined
}

/** The certificates in a PEM text. */
export function certificatesIn(bundle: string): X509Certificate[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.flatMap((pem) => {
    try {
      return [new X509Certificate(pem)]
    } catch {
      // Skip an unreadable entry, so that the others are still trusted.
      return []
    }
  })
}

function invalid(reason: CertificateProblem, message: string): Verification {
  return { kind: 'invalid', reason, message }
}
