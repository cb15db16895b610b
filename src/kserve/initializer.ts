import { type Json, type JsonObject, listAt, objectAt, stringAt } from '../values/object.ts'
import type { ServiceAccountFact } from './account.ts'
import type { KserveConfig } from './config.ts'
import { findSecrets } from './credentials.ts'
import { storageInitializer } from './download.ts'
import { awsRole } from './identity.ts'
import { s3Variables } from './s3.ts'
import type { SecretFact } from './secret.ts'
import { storageSpecVariables } from './storage-spec.ts'
import { missing, type Unresolved } from './unresolved.ts'

export interface InitializerInput {
  /** What is downloaded. */
  uri: string
  /** The directory that it is downloaded into. */
  directory: string
  namespace: string
  /** The model's storage spec, if it has one. */
  storage: JsonObject | undefined
  /** Annotations of the pod; one of them may name a Secret. */
  annotations: { [key: string]: string }
  serviceAccount: ServiceAccountFact | undefined
  secrets: { [name: string]: SecretFact }
  config: KserveConfig
  /** The ClusterStorageContainer's container for the URI, if there is one. */
  overlay: JsonObject | undefined
}

/** KServe's storage initializer for one download, and the volumes that it mounts. */
export interface Initializer {
  ok: true
  container: JsonObject
  volumes: JsonObject[]
}

/**
 * The container that KServe would add to a pod to download a model, with the same image, variables, credentials,
 * CA bundle and resources. Secrets are referred to, never copied. The container has no mount for `directory`.
 * Source: kserve v0.20 pkg/webhook/admission/pod/storage_initializer_injector.go, CommonStorageInitialization.
 */
export function initializerOf(input: InitializerInput): Initializer | Unresolved {
  const { uri, directory, config, overlay = {} } = input
  const problem = overlayProblem(overlay)
  if (problem !== undefined) return missing(problem)
  const credentials = credentialParts(input)
  if (!credentials.ok) return credentials
  const authority = caBundle(credentials.env, input)
  const env = withDefaults(merged(credentials.env, listAt(overlay, 'env')), [
    ...authority.env,
    ...huggingFaceDefaults,
  ])
  const { image, resources } = config.initializer
  const { envFrom, command, imagePullPolicy, workingDir } = overlay
  const mounts = [...credentials.mounts, ...authority.mounts]
  return {
    ok: true,
    container: {
      name: storageInitializer,
      image: stringAt(overlay, 'image') || image,
      ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }),
      ...(command === undefined ? {} : { command }),
      ...(workingDir === undefined ? {} : { workingDir }),
      args: [uri, directory],
      ...(envFrom === undefined ? {} : { envFrom }),
      env,
      resources: mergedResources(resources, objectAt(overlay, 'resources')),
      ...(mounts.length === 0 ? {} : { volumeMounts: mounts }),
      terminationMessagePolicy: 'FallbackToLogsOnError',
    },
    volumes: [...credentials.volumes, ...authority.volumes],
  }
}

/** What KServe's pod has, and a Job has not. */
function overlayProblem(overlay: JsonObject): string | undefined {
  const field = ['args', 'volumeMounts', 'volumeDevices'].find((name) => listAt(overlay, name).length > 0)
  return field && `its ClusterStorageContainer sets ${field}, which only a pod of KServe has`
}

interface Parts {
  ok: true
  env: Json[]
  mounts: JsonObject[]
  volumes: JsonObject[]
}

function credentialParts(input: InitializerInput): Parts | Unresolved {
  const { storage, config, serviceAccount, annotations, secrets } = input
  if (storage !== undefined) {
    const env = storageSpecVariables({ ...input, storage, uri: undefined })
    return 'ok' in env ? env : { ok: true, env, mounts: [], volumes: [] }
  }
  const found = findSecrets({ annotations, secretName: undefined, serviceAccount, secrets, config })
  if (!found.ok) return found
  const hasRole = serviceAccount?.annotations[awsRole] !== undefined
  const role = { annotations: serviceAccount?.annotations ?? {}, options: {} }
  const start: Parts = {
    ok: true,
    env: hasRole ? plain(s3Variables(role, config)) : [],
    mounts: [],
    volumes: [],
  }
  return found.secrets.reduce((parts, secret) => add(parts, secretParts(secret, config)), start)
}

/** KServe replaces variables of the same name, and keeps the first volume of a name. */
function add(all: Parts, more: Omit<Parts, 'ok'>): Parts {
  const isNew = ({ name }: JsonObject) => !all.volumes.some((volume) => volume.name === name)
  return {
    ok: true,
    env: merged(all.env, more.env),
    mounts: [...all.mounts, ...more.mounts.filter(isNew)],
    volumes: [...all.volumes, ...more.volumes.filter(isNew)],
  }
}

/** What KServe makes of one Secret; nothing of one that it does not know. Source: its mountSecretCredential. */
function secretParts(secret: SecretFact, config: KserveConfig): Omit<Parts, 'ok'> {
  const { name, emptyKeys = [] } = secret
  const has = (key: string) => secret.keys.includes(key) || emptyKeys.includes(key)
  const none = { env: [], mounts: [], volumes: [] }
  const reference = (variable: string, key: string): JsonObject => ({
    name: variable,
    valueFrom: { secretKeyRef: { name, key } },
  })
  const { s3, gcsCredentialFile } = config
  if (has(s3.secretAccessKey)) {
    const keys = [
      reference('AWS_ACCESS_KEY_ID', s3.accessKeyId),
      reference('AWS_SECRET_ACCESS_KEY', s3.secretAccessKey),
    ]
    return { ...none, env: [...keys, ...plain(s3Variables(secret, config))] }
  }
  if (has(gcsCredentialFile)) {
    const value = `/var/secrets/${gcsCredentialFile}`
    const env = [{ name: 'GOOGLE_APPLICATION_CREDENTIALS', value }]
    return { env, ...secretVolume(name, 'user-gcp-sa', '/var/secrets/') }
  }
  if (azureMarks.some(has)) return { ...none, env: azureVariables(has, reference) }
  if (has('https-host')) {
    const host = secret.options['https-host'] ?? ''
    return isHost(host) && has('headers') ? { ...none, env: [reference(`${host}-headers`, 'headers')] } : none
  }
  if (has('HDFS_NAMENODE'))
    return { env: [], ...secretVolume(name, 'hdfs-secrets', '/var/secrets/kserve-hdfscreds') }
  return has('HF_TOKEN') ? { ...none, env: [reference('HF_TOKEN', 'HF_TOKEN')] } : none
}

function secretVolume(secretName: string, name: string, mountPath: string) {
  return {
    mounts: [{ name, mountPath, readOnly: true }],
    volumes: [{ name, secret: { secretName } }],
  }
}

// pkg/credentials/azure/azure_secret.go. A legacy key wins.
const azureMarks = ['AZ_CLIENT_ID', 'AZURE_CLIENT_ID', 'AZURE_ACCESS_TOKEN', 'AZURE_STORAGE_ACCESS_KEY']
const azureKeys: { [variable: string]: string | undefined } = {
  AZURE_SUBSCRIPTION_ID: 'AZ_SUBSCRIPTION_ID',
  AZURE_TENANT_ID: 'AZ_TENANT_ID',
  AZURE_CLIENT_ID: 'AZ_CLIENT_ID',
  AZURE_CLIENT_SECRET: 'AZ_CLIENT_SECRET',
  AZURE_STORAGE_ACCESS_KEY: undefined,
  AZURE_ACCESS_TOKEN: undefined,
  AZURE_ACCESS_EXPIRES_ON_SECONDS: undefined,
  AZURE_ACCOUNT_NAME: undefined,
  AZURE_SERVICE_URL: undefined,
}

function azureVariables(
  has: (key: string) => boolean,
  reference: (variable: string, key: string) => JsonObject,
): JsonObject[] {
  return Object.entries(azureKeys).flatMap(([variable, legacy]) => {
    const key = [legacy, variable].find((each) => each !== undefined && has(each))
    return key === undefined ? [] : [reference(variable, key)]
  })
}

/** KServe takes any text. Kubernetes takes only this as the name of a variable. */
function isHost(host: string): boolean {
  return host.length <= 253 && /^[A-Za-z0-9.-]+$/.test(host)
}

function caBundle(env: Json[], { namespace, config }: InitializerInput): Omit<Parts, 'ok'> {
  const own = valueIn(env, 'AWS_CA_BUNDLE_CONFIGMAP')
  if (own === undefined && !config.hasCaBundle) return { env: [], mounts: [], volumes: [] }
  const name = own ?? (namespace === 'kserve' ? config.initializer.caBundleConfigMap : 'global-ca-bundle')
  const file = valueIn(env, 'AWS_CA_BUNDLE')
  const mountPath =
    file === undefined ? config.initializer.caBundlePath : file.slice(0, Math.max(file.lastIndexOf('/'), 1))
  return {
    env: [
      { name: 'CA_BUNDLE_CONFIGMAP_NAME', value: name },
      { name: 'CA_BUNDLE_VOLUME_MOUNT_POINT', value: mountPath },
    ],
    mounts: [{ name: 'cabundle-cert', mountPath, readOnly: true }],
    volumes: [{ name: 'cabundle-cert', configMap: { name } }],
  }
}

// pkg/utils/storage.go, AddDefaultHuggingFaceEnvVars.
const huggingFaceDefaults = plain({
  HF_HUB_ENABLE_HF_TRANSFER: '1',
  HF_XET_HIGH_PERFORMANCE: '1',
  HF_XET_NUM_CONCURRENT_RANGE_GETS: '8',
})

function plain(variables: { [name: string]: string }): JsonObject[] {
  return Object.entries(variables).map(([name, value]) => ({ name, value }))
}

function nameOf(variable: Json): string {
  return stringAt(variable, 'name') ?? ''
}

function valueIn(env: Json[], name: string): string | undefined {
  const found = env.find((variable) => nameOf(variable) === name)
  return stringAt(found, 'value') || undefined
}

/** Later variables replace earlier ones of the same name, in their place. */
function merged(env: Json[], more: Json[]): Json[] {
  return [...new Map([...env, ...more].map((variable) => [nameOf(variable), variable])).values()]
}

function withDefaults(env: Json[], defaults: Json[]): Json[] {
  const names = new Set(env.map(nameOf))
  return [...env, ...defaults.filter((variable) => !names.has(nameOf(variable)))]
}

function mergedResources(own: JsonObject, overlay: JsonObject): JsonObject {
  const lists = ['requests', 'limits'].map((list) => [
    list,
    { ...objectAt(own, list), ...objectAt(overlay, list) },
  ])
  return Object.fromEntries(lists)
}
