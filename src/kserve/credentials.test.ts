import { expect, test } from 'vitest'
import type { ServiceAccountFact } from './account.ts'
import { shippedKserveConfig } from './config.ts'
import { type CredentialsInput, resolveCredentials } from './credentials.ts'
import type { Credentials, Resolved } from './resolved.ts'
import type { SecretFact } from './secret.ts'

const s3Keys = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
const gcsKey = 'gcloud-application-credentials.json'
const ossKeys = ['fs.oss.accessKeyId', 'fs.oss.accessKeySecret']

const secret = (name: string, keys: string[], more: Partial<SecretFact> = {}): SecretFact => ({
  name,
  keys,
  annotations: {},
  options: {},
  entries: {},
  ...more,
})

interface Input extends Partial<Omit<CredentialsInput, 'secrets'>> {
  secrets?: SecretFact[]
}

/** The service account lists all Secrets of the input, unless the input has a `serviceAccount` of its own. */
function resolve({ secrets = [], ...input }: Input): Resolved {
  return resolveCredentials({
    scheme: 's3',
    annotations: {},
    secretName: undefined,
    serviceAccount: { name: 'reader', secrets: secrets.map(({ name }) => name), annotations: {} },
    secrets: Object.fromEntries(secrets.map((fact) => [fact.name, fact])),
    config: shippedKserveConfig,
    ...input,
  })
}

function credentials(input: Input): Credentials {
  const resolved = resolve(input)
  if (!resolved.ok) throw new Error(resolved.message)
  return resolved.credentials
}

const endpoint = (more: Partial<SecretFact>, input: Input = {}) =>
  credentials({ secrets: [secret('keys', s3Keys, more)], ...input }).endpoint

test('a Secret of the service account, by reference', () => {
  expect(credentials({ secrets: [secret('keys', s3Keys)] })).toEqual({
    kind: 'keys',
    secretName: 'keys',
    accessKeyId: 'AWS_ACCESS_KEY_ID',
    secretAccessKey: 'AWS_SECRET_ACCESS_KEY',
    endpoint: {},
  })
  expect(credentials({ scheme: 'gs', secrets: [secret('keys', [gcsKey])] })).toEqual({
    kind: 'file',
    secretName: 'keys',
    file: gcsKey,
    endpoint: {},
  })
  expect(credentials({ scheme: 'oss', secrets: [secret('keys', ossKeys)] })).toEqual({
    kind: 'keys',
    secretName: 'keys',
    accessKeyId: 'fs.oss.accessKeyId',
    secretAccessKey: 'fs.oss.accessKeySecret',
    endpoint: {},
  })
})

test('KServe’s ConfigMap may call the keys otherwise', () => {
  const config = {
    ...shippedKserveConfig,
    s3: { accessKeyId: 'id', secretAccessKey: 'key', defaults: {} },
    gcsCredentialFile: 'g.json',
  }
  expect(credentials({ config, secrets: [secret('keys', ['id', 'key'])] })).toMatchObject({
    accessKeyId: 'id',
    secretAccessKey: 'key',
  })
  expect(credentials({ config, scheme: 'gs', secrets: [secret('keys', ['g.json'])] })).toMatchObject({
    file: 'g.json',
  })
  expect(credentials({ config, secrets: [secret('keys', s3Keys)] }).kind).toBe('anonymous')
})

test('the first of several Secrets gives the keys', () => {
  const secrets = [
    secret('s3-a', s3Keys),
    secret('gcs-a', [gcsKey]),
    secret('s3-b', s3Keys),
    secret('gcs-b', [gcsKey]),
    secret('pull', ['.dockerconfigjson']),
  ]
  expect(credentials({ secrets })).toMatchObject({ secretName: 's3-a' })
  expect(credentials({ secrets, scheme: 'gs' })).toMatchObject({ secretName: 'gcs-a' })
})

test('a Secret with the keys of both is one for S3', () => {
  const secrets = [secret('both', [...s3Keys, gcsKey])]
  expect(credentials({ secrets })).toMatchObject({ secretName: 'both' })
  expect(credentials({ secrets, scheme: 'gs' }).kind).toBe('anonymous')
})

test('the policy’s Secret comes first, then the annotation’s, then the service account’s', () => {
  const secrets = ['account', 'named', 'policy'].map((name) => secret(name, s3Keys))
  const annotations = { 'serving.kserve.io/storageSecretName': 'named' }
  expect(credentials({ secrets, annotations, secretName: 'policy' })).toMatchObject({ secretName: 'policy' })
  expect(credentials({ secrets, annotations })).toMatchObject({ secretName: 'named' })
  expect(credentials({ secrets: secrets.slice(0, 1) })).toMatchObject({ secretName: 'account' })
  const config = { ...shippedKserveConfig, storageSecretAnnotation: 'example.com/secret' }
  expect(credentials({ secrets, config, annotations: { 'example.com/secret': 'named' } })).toMatchObject({
    secretName: 'named',
  })
})

const missingAccount: ServiceAccountFact = { name: 'reader', secrets: [], annotations: {}, isMissing: true }

test.each<[string, Input, string]>([
  [
    'a service account that does not exist',
    { serviceAccount: missingAccount },
    "there is no service account reader in the service's namespace",
  ],
  [
    'a service account that does not exist, whatever Secret is named',
    {
      serviceAccount: missingAccount,
      annotations: { 'serving.kserve.io/storageSecretName': 'keys' },
      secrets: [secret('keys', s3Keys)],
    },
    "there is no service account reader in the service's namespace",
  ],
  [
    'a policy’s Secret that does not exist',
    { secretName: 'gone' },
    "there is no Secret gone in the service's namespace",
  ],
  [
    'a named Secret that does not exist',
    { annotations: { 'serving.kserve.io/storageSecretName': 'gone' } },
    "there is no Secret gone in the service's namespace",
  ],
  [
    'a Secret by the name of what every object inherits',
    { annotations: { 'serving.kserve.io/storageSecretName': 'constructor' } },
    "there is no Secret constructor in the service's namespace",
  ],
  [
    'a listed Secret that does not exist',
    { serviceAccount: { name: 'reader', secrets: ['gone'], annotations: {} } },
    'service account reader lists Secret gone, which does not exist',
  ],
])('CredentialsPending: %s; files are taken as they are', (_, input, message) => {
  expect(resolve(input)).toEqual({ ok: false, reason: 'CredentialsPending', message })
  const { serviceAccount = { name: 'default', secrets: [], annotations: {} } } = input
  expect(resolve({ ...input, serviceAccount: { ...serviceAccount, isFromFiles: true } })).not.toMatchObject({
    reason: 'CredentialsPending',
  })
})

test('a policy that names a Secret decides without the service account', () => {
  const secrets = [secret('keys', s3Keys)]
  expect(resolve({ serviceAccount: missingAccount, secretName: 'keys', secrets }).ok).toBe(true)
})

test.each<[string, Input, string]>([
  [
    'a named Secret of another kind',
    { secretName: 'keys', secrets: [secret('keys', [gcsKey])] },
    'Secret keys has no credentials for s3:// (key AWS_SECRET_ACCESS_KEY)',
  ],
  [
    'an annotated Secret of another kind',
    {
      annotations: { 'serving.kserve.io/storageSecretName': 'keys' },
      secrets: [secret('keys', [gcsKey])],
    },
    'Secret keys has no credentials for s3:// (key AWS_SECRET_ACCESS_KEY)',
  ],
  [
    'a policy’s Secret without the file',
    { secretName: 'keys', secrets: [secret('keys', s3Keys)], scheme: 'gs' },
    `Secret keys has no credentials for gs:// (key ${gcsKey})`,
  ],
  [
    'a named Secret with half of the keys',
    { secretName: 'keys', secrets: [secret('keys', ['fs.oss.accessKeyId'])], scheme: 'oss' },
    'Secret keys has no credentials for oss:// (keys fs.oss.accessKeyId and fs.oss.accessKeySecret)',
  ],
  [
    'a Secret without the key’s id',
    { secrets: [secret('keys', ['AWS_SECRET_ACCESS_KEY'])] },
    'Secret keys has AWS_SECRET_ACCESS_KEY but no AWS_ACCESS_KEY_ID',
  ],
])('CredentialsMissing: %s', (_, input, message) => {
  expect(resolve(input)).toEqual({ ok: false, reason: 'CredentialsMissing', message })
})

test('KServe reads Google’s buckets anonymously where the annotated Secret is of another kind', () => {
  const annotations = { 'serving.kserve.io/storageSecretName': 'keys' }
  const secrets = [secret('keys', s3Keys)]
  expect(credentials({ annotations, secrets, scheme: 'gs' })).toEqual({ kind: 'anonymous', endpoint: {} })
})

test('no Secret at all is anonymous, also without a service account', () => {
  for (const scheme of ['s3', 'gs', 'oss'] as const) {
    expect(credentials({ scheme, serviceAccount: undefined })).toEqual({ kind: 'anonymous', endpoint: {} })
    expect(credentials({ scheme })).toEqual({ kind: 'anonymous', endpoint: {} })
  }
})

const identities = {
  s3: 'eks.amazonaws.com/role-arn',
  gs: 'iam.gke.io/gcp-service-account',
  oss: 'pod-identity.alibabacloud.com/role-name',
} as const

test.each(['s3', 'gs', 'oss'] as const)('WorkloadIdentity: %s', (scheme) => {
  const serviceAccount = { name: 'reader', secrets: [], annotations: { [identities[scheme]]: 'role' } }
  expect(resolve({ scheme, serviceAccount })).toMatchObject({
    ok: false,
    reason: 'WorkloadIdentity',
    message: expect.stringContaining(identities[scheme]),
  })
  // Another cloud's identity is none for this scheme; a Secret comes before an identity.
  for (const other of (['s3', 'gs', 'oss'] as const).filter((name) => name !== scheme)) {
    expect(resolve({ scheme: other, serviceAccount }).ok).toBe(true)
  }
  const keys = { s3: s3Keys, gs: [gcsKey], oss: ossKeys }[scheme]
  const withSecret = { ...serviceAccount, secrets: ['keys'] }
  expect(resolve({ scheme, serviceAccount: withSecret, secrets: [secret('keys', keys)] }).ok).toBe(true)
})

test('an option: an annotation of the Secret, then a key in it, then KServe’s ConfigMap', () => {
  const annotations = { 'serving.kserve.io/s3-endpoint': 'annotation:1', 'serving.kserve.io/s3-region': 'a' }
  const options = { S3_ENDPOINT: 'key:2', AWS_DEFAULT_REGION: 'b' }
  const defaults = { S3_ENDPOINT: 'configmap:3', AWS_DEFAULT_REGION: 'c' }
  const config = { ...shippedKserveConfig, s3: { ...shippedKserveConfig.s3, defaults } }
  expect(endpoint({ annotations, options }, { config })).toEqual({ url: 'https://annotation:1', region: 'a' })
  expect(endpoint({ options }, { config })).toEqual({ url: 'https://key:2', region: 'b' })
  expect(endpoint({}, { config })).toEqual({ url: 'https://configmap:3', region: 'c' })
  expect(endpoint({})).toEqual({})
})

test.each([
  ['minio:9000', undefined, 'https://minio:9000'],
  ['minio:9000', '1', 'https://minio:9000'],
  ['minio:9000', '0', 'http://minio:9000'],
  ['https://minio:9000', '0', 'https://minio:9000'],
  ['http://minio:9000', '1', 'http://minio:9000'],
  ['HTTP://minio:9000', '1', 'HTTP://minio:9000'],
  ['[fd00::1]:9000', '0', 'http://[fd00::1]:9000'],
])('endpoint %s with S3_USE_HTTPS %s is %s', (address, https, url) => {
  const options = { S3_ENDPOINT: address, ...(https === undefined ? {} : { S3_USE_HTTPS: https }) }
  expect(endpoint({ options })).toEqual({ url })
})

test.each(['true', 'True'])('a Secret may say that it needs none: awsAnonymousCredential %s', (value) => {
  const options = { awsAnonymousCredential: value, S3_ENDPOINT: 'minio:9000' }
  expect(credentials({ secrets: [secret('keys', s3Keys, { options })] })).toEqual({
    kind: 'anonymous',
    endpoint: { url: 'https://minio:9000' },
  })
})

test.each<[string, Partial<SecretFact>]>([
  ['its own authority', { options: { AWS_CA_BUNDLE: '/ca.crt' } }],
  ['a ConfigMap with one', { annotations: { 'serving.kserve.io/s3-cabundle-configmap': 'ca' } }],
  ['none to be verified', { annotations: { 'serving.kserve.io/s3-verifyssl': '0' } }],
])('a store with a certificate that Fluid cannot use: %s', (_, more) => {
  expect(resolve({ secrets: [secret('keys', s3Keys, more)] })).toMatchObject({
    ok: false,
    reason: 'CredentialsMissing',
    message: expect.stringContaining("policy's cache.template, and the endpoint in its sources[].options"),
  })
  const secrets = [secret('keys', s3Keys, more)]
  // A policy that sets the endpoint is responsible for it.
  expect(resolve({ secrets, policyNamesEndpoint: true }).ok).toBe(true)
  // Over plain http there is nothing to verify.
  const http = { ...more, options: { ...more.options, S3_ENDPOINT: 'minio', S3_USE_HTTPS: '0' } }
  expect(resolve({ secrets: [secret('keys', s3Keys, http)] }).ok).toBe(true)
})

test('with several S3 Secrets and a role, the last Secret with an option sets it', () => {
  const annotations = {
    'eks.amazonaws.com/role-arn': 'role',
    'serving.kserve.io/s3-endpoint': 'role:1',
    'serving.kserve.io/s3-region': 'role',
  }
  const secrets = [
    secret('a', s3Keys, { options: { S3_ENDPOINT: 'a:1', AWS_DEFAULT_REGION: 'a' } }),
    secret('pull', ['.dockerconfigjson'], { options: { AWS_DEFAULT_REGION: 'not of S3' } }),
    secret('b', s3Keys, { options: { S3_ENDPOINT: 'b:1', S3_USE_HTTPS: '0' } }),
  ]
  const serviceAccount = { name: 'reader', secrets: secrets.map(({ name }) => name), annotations }
  expect(credentials({ secrets, serviceAccount })).toMatchObject({
    secretName: 'a',
    endpoint: { url: 'http://b:1', region: 'a' },
  })
  expect(credentials({ secrets, serviceAccount: { ...serviceAccount, secrets: ['b'] } })).toMatchObject({
    secretName: 'b',
    endpoint: { url: 'http://b:1', region: 'role' },
  })
  // Without the role, a service account's annotations are no options.
  const plain = { ...serviceAccount, secrets: ['b'], annotations: { 'serving.kserve.io/s3-region': 'x' } }
  expect(credentials({ secrets, serviceAccount: plain }).endpoint).toEqual({ url: 'http://b:1' })
})

test('a ConfigMap’s default of a later Secret overrides what an earlier one said', () => {
  const config = { ...shippedKserveConfig, s3: { ...shippedKserveConfig.s3, defaults: { S3_ENDPOINT: 'c' } } }
  const secrets = [secret('a', s3Keys, { options: { S3_ENDPOINT: 'a' } }), secret('b', s3Keys)]
  expect(credentials({ config, secrets })).toMatchObject({ secretName: 'a', endpoint: { url: 'https://c' } })
})

test('an empty annotation silences an option', () => {
  const annotations = { 'serving.kserve.io/s3-endpoint': '' }
  expect(endpoint({ annotations, options: { S3_ENDPOINT: 'minio' } })).toEqual({})
})

test.each<[Partial<SecretFact>, 'virtual' | undefined]>([
  [{ options: { S3_ENDPOINT: 'store', S3_USER_VIRTUAL_BUCKET: 'True' } }, 'virtual'],
  [{ annotations: { 'serving.kserve.io/s3-usevirtualbucket': 'true' } }, 'virtual'],
  [{ options: { S3_ENDPOINT: 'store', S3_USER_VIRTUAL_BUCKET: '1' } }, undefined],
  [{ options: { S3_ENDPOINT: 's3.amazonaws.com', AWS_DEFAULT_REGION: 'eu-central-1' } }, 'virtual'],
  [{ options: { S3_ENDPOINT: 's3.amazonaws.com', AWS_DEFAULT_REGION: 'us-east-1' } }, undefined],
  [{ options: { S3_ENDPOINT: 's3.amazonaws.com' } }, undefined],
])('%j: buckets are host names: %s', (more, addressing) => {
  expect(endpoint(more).addressing).toBe(addressing)
})

test('a role that says it needs no credentials is anonymous', () => {
  const annotations = {
    'eks.amazonaws.com/role-arn': 'role',
    'serving.kserve.io/s3-useanoncredential': 'true',
  }
  const serviceAccount = { name: 'reader', secrets: [], annotations }
  expect(credentials({ serviceAccount })).toEqual({ kind: 'anonymous', endpoint: {} })
  expect(resolve({ serviceAccount, secretName: 'gone' }).ok).toBe(false)
})

test.each(['minio:9000$(reboot)', 'minio;reboot', 'a b', 'key:hunter2@minio:9000', 'minio\nx', "minio'"])(
  'an endpoint is no place for a shell’s words or a credential: %j',
  (value) => {
    const asKey = resolve({ secrets: [secret('keys', s3Keys, { options: { S3_ENDPOINT: value } })] })
    const asRegion = resolve({
      secrets: [secret('keys', s3Keys, { options: { AWS_DEFAULT_REGION: value } })],
    })
    const oss = secret('keys', ossKeys, { options: { 'fs.oss.endpoint': value } })
    const message = 'Secret keys names an endpoint or a region that a Fluid mount cannot carry safely'
    const refused = { ok: false, reason: 'CredentialsMissing', message }
    expect([asKey, asRegion, resolve({ scheme: 'oss', secrets: [oss] })]).toEqual([refused, refused, refused])
  },
)

test('the endpoint of an OSS Secret, unchanged', () => {
  const options = { 'fs.oss.endpoint': 'oss-cn-hangzhou-internal.aliyuncs.com\n' }
  expect(credentials({ scheme: 'oss', secrets: [secret('keys', ossKeys, { options })] }).endpoint).toEqual({
    url: 'oss-cn-hangzhou-internal.aliyuncs.com',
  })
})

test('a CA bundle for every download may be needed for a custom store', () => {
  const config = { ...shippedKserveConfig, hasCaBundle: true }
  const at = (url: string) =>
    resolve({ config, secrets: [secret('keys', s3Keys, { options: { S3_ENDPOINT: url } })] })
  expect(at('https://minio:9000')).toMatchObject({ ok: false, reason: 'CredentialsMissing' })
  for (const url of ['http://minio:9000', 'https://s3.eu-central-1.amazonaws.com', ''])
    expect(at(url).ok).toBe(true)
})

test('a service account with too many Secrets, or a Secret with too many keys, is not read', () => {
  const serviceAccount = { name: 'reader', secrets: [], tooMany: 10_000, annotations: {} }
  expect(resolve({ serviceAccount })).toEqual({
    ok: false,
    reason: 'TooLarge',
    message: 'service account reader lists 10000 Secrets: at most 16 are read',
  })
  // A service that names a Secret does not need the list.
  const named = { 'serving.kserve.io/storageSecretName': 'keys' }
  const secrets = [secret('keys', s3Keys)]
  expect(resolve({ serviceAccount, secrets, annotations: named }).ok).toBe(true)
  expect(resolve({ secrets: [secret('keys', [], { tooMany: 300 })] })).toEqual({
    ok: false,
    reason: 'TooLarge',
    message: 'Secret keys has 300 keys: at most 256 are read',
  })
})

test('a message cuts what it repeats, and escapes its control characters', () => {
  const named = { 'serving.kserve.io/storageSecretName': `\u001b[2J${'x'.repeat(1_000)}` }
  const resolved = resolve({ annotations: named })
  expect(resolved).toMatchObject({ message: expect.stringContaining('there is no Secret \\u001b[2Jxxx') })
  expect(JSON.stringify(resolved).length).toBeLessThan(400)
})

test('an endpoint that is too long is no endpoint', () => {
  const options = { S3_ENDPOINT: 'x'.repeat(2_049) }
  expect(resolve({ secrets: [secret('keys', s3Keys, { options })] })).toMatchObject({
    reason: 'CredentialsMissing',
    message: 'Secret keys names an endpoint or a region of more than 2048 characters',
  })
})

test('keys without a value do not count: a role comes first, and they do not mean anonymous access', () => {
  const role = { 'eks.amazonaws.com/role-arn': 'role' }
  const account = (annotations: { [key: string]: string }) => ({
    name: 'reader',
    secrets: ['keys'],
    annotations,
  })
  const empty = secret('keys', [], { emptyKeys: s3Keys, options: { S3_ENDPOINT: 'minio:9000' } })
  const answer = (secrets: SecretFact[], annotations = {}) =>
    resolve({ secrets, serviceAccount: account(annotations) })
  expect(answer([empty], role)).toMatchObject({ reason: 'WorkloadIdentity' })
  expect(answer([empty])).toMatchObject({ reason: 'CredentialsMissing' })
  // An empty role is none.
  expect(answer([empty], { 'eks.amazonaws.com/role-arn': '' })).toMatchObject({
    reason: 'CredentialsMissing',
  })
  for (const key of s3Keys) {
    const half = secret(
      'keys',
      s3Keys.filter((each) => each !== key),
      { emptyKeys: [key] },
    )
    expect(answer([half])).toMatchObject({ message: `Secret keys has no value for ${key}` })
    expect(answer([half], role)).toMatchObject({ reason: 'WorkloadIdentity' })
  }
  // A service that names a Secret does not use the role.
  expect(resolve({ secretName: 'keys', secrets: [empty], serviceAccount: account(role) })).toMatchObject({
    reason: 'CredentialsMissing',
  })
  const anonymous = { ...empty, options: { ...empty.options, awsAnonymousCredential: 'true' } }
  expect(answer([anonymous], role)).toEqual({
    ok: true,
    credentials: { kind: 'anonymous', endpoint: { url: 'https://minio:9000' } },
  })
})

test('a file, and the keys of other stores, without a value are none', () => {
  const annotations = { 'iam.gke.io/gcp-service-account': 'role' }
  const serviceAccount = { name: 'reader', secrets: ['keys'], annotations }
  const file = secret('keys', [], { emptyKeys: [gcsKey] })
  expect(resolve({ scheme: 'gs', secrets: [file], serviceAccount })).toMatchObject({
    reason: 'WorkloadIdentity',
  })
  const [id = '', key = ''] = ossKeys
  const half = secret('keys', [id], { emptyKeys: [key] })
  expect(resolve({ scheme: 'oss', secretName: 'keys', secrets: [half] })).toMatchObject({
    reason: 'CredentialsMissing',
  })
  // KServe takes a Secret with a key for S3, empty or not, for an S3 Secret.
  const both = secret('keys', [gcsKey], { emptyKeys: s3Keys })
  expect(credentials({ scheme: 'gs', secrets: [both] })).toMatchObject({ kind: 'anonymous' })
})
