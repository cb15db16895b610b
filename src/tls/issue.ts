import { generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import forge from 'node-forge'

/** A certificate and its private key, both PEM, as node:https takes them. */
export interface KeyPair {
  key: string
  cert: string
}

export interface Issue {
  commonName: string
  notBeforeMs: number
  notAfterMs: number
  /** As node-forge names them; the key identifiers are added. */
  extensions: object[]
  /** The authority that signs; without one the certificate signs itself. */
  issuer?: KeyPair
}

const makeKeys = promisify(generateKeyPair)

/** Creates a key (RSA-2048, the only type that node-forge signs with) and a certificate for it. */
export async function issue(options: Issue): Promise<KeyPair> {
  // Node's native function, since node-forge's would block the event loop for 50 ms or more.
  const { privateKey, publicKey } = await makeKeys('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const certificate = describe(options, publicKey)
  const signer = options.issuer?.key ?? privateKey
  certificate.sign(forge.pki.privateKeyFromPem(signer), forge.md.sha256.create())
  return { key: privateKey, cert: forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n') }
}

function describe(options: Issue, publicKey: string): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  const subject = [{ name: 'commonName', value: options.commonName }]
  const issuer = options.issuer === undefined ? undefined : forge.pki.certificateFromPem(options.issuer.cert)
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey)
  certificate.serialNumber = serialNumber()
  certificate.validity.notBefore = new Date(options.notBeforeMs)
  certificate.validity.notAfter = new Date(options.notAfterMs)
  certificate.setSubject(subject)
  certificate.setIssuer(issuer?.subject.attributes ?? subject)
  certificate.setExtensions([
    ...options.extensions,
    { name: 'subjectKeyIdentifier' },
    {
      name: 'authorityKeyIdentifier',
      keyIdentifier: (issuer ?? certificate).generateSubjectKeyIdentifier().getBytes(),
    },
  ])
  return certificate
}

/** 128 random bits, positive and without leading zeros, as DER requires for integers. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f)
  return bytes.toString('hex')
}
