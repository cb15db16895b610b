import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { backdatedMs, dayMs } from './authority.ts'
import { issue, type KeyPair } from './issue.ts'

export const servingDays = 7

/** The names under which a webhook server is reached. */
export interface ServingNames {
  service: string
  namespace: string
  /** Further DNS names and IP addresses, e.g. 127.0.0.1 where the server runs outside the cluster. */
  extra?: readonly string[]
}

/** Every name that a serving certificate is good for. The API server asks for `<service>.<namespace>.svc`. */
export function namesOf({ service, namespace, extra = [] }: ServingNames): string[] {
  const inCluster = [service, `${service}.${namespace}`, `${service}.${namespace}.svc`]
  return [...new Set([...inCluster, `${service}.${namespace}.svc.cluster.local`, ...extra])]
}

/** Creates a serving certificate. It does not expire later than the authority that signs it. */
export function createServing(options: {
  authority: KeyPair
  names: ServingNames
  nowMs: number
  validDays?: number
}): Promise<KeyPair> {
  const { authority, names, nowMs, validDays = servingDays } = options
  const authorityEndsMs = new X509Certificate(authority.cert).validToDate.getTime()
  return issue({
    commonName: 'warmgate',
    notBeforeMs: nowMs - backdatedMs,
    notAfterMs: Math.min(nowMs + validDays * dayMs, authorityEndsMs),
    issuer: authority,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: namesOf(names).map(altName) },
    ],
  })
}

/** True once two thirds of a certificate's life are over. */
export function isDueForRenewal(cert: string, nowMs: number): boolean {
  const { validFromDate, validToDate } = new X509Certificate(cert)
  const startMs = validFromDate.getTime() + backdatedMs
  return nowMs >= startMs + ((validToDate.getTime() - startMs) * 2) / 3
}

function altName(name: string): object {
  return isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name }
}
