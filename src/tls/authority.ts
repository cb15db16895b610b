import { randomBytes } from 'node:crypto'
import { issue, type KeyPair } from './issue.ts'

export const dayMs = 86_400_000

// The clocks of a cluster's nodes differ by some minutes.
export const backdatedMs = 3_600_000

/** Creates a certificate authority that can sign serving certificates, but no other authorities. */
export function createAuthority({
  nowMs,
  validDays,
}: {
  nowMs: number
  validDays: number
}): Promise<KeyPair> {
  return issue({
    // A verifier could not distinguish two authorities with the same name.
    commonName: `warmgate-ca-${randomBytes(4).toString('hex')}`,
    notBeforeMs: nowMs - backdatedMs,
    notAfterMs: nowMs + validDays * dayMs,
    extensions: [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
}
