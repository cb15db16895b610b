import { type KubeObject, objectAt } from '../values/object.ts'

/** What may be known of a Secret: which keys it has, and the values of those that are no secrets. */
export interface SecretFact {
  name: string
  keys: string[]
  annotations: { [key: string]: string }
  /** Options such as the endpoint, which KServe lets people keep beside the key. Never a credential. */
  options: { [key: string]: string }
}

const optionKeys = [
  'S3_ENDPOINT',
  'S3_USE_HTTPS',
  'AWS_DEFAULT_REGION',
  'S3_VERIFY_SSL',
  'awsAnonymousCredential',
  'S3_USER_VIRTUAL_BUCKET',
  'AWS_CA_BUNDLE',
  'AWS_CA_BUNDLE_CONFIGMAP',
  'fs.oss.endpoint',
]

/** Reduces a Secret to its fact. Values other than the options above are dropped here, and go nowhere. */
export function secretFact(secret: KubeObject): SecretFact {
  const data = objectAt(secret, 'data')
  const plain = objectAt(secret, 'stringData')
  const options: { [key: string]: string } = {}
  for (const key of optionKeys) {
    const value = plain[key]
    const encoded = data[key]
    if (typeof value === 'string') options[key] = value.trim()
    else if (typeof encoded === 'string')
      options[key] = Buffer.from(encoded, 'base64').toString('utf8').trim()
  }
  return {
    name: secret.metadata.name ?? '',
    keys: [...new Set([...Object.keys(data), ...Object.keys(plain)])].toSorted(),
    annotations: secret.metadata.annotations ?? {},
    options,
  }
}
