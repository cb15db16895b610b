import { type KubeObject, ownerReference } from '../values/object.ts'
import { ourMetadata } from './dataset.ts'
import type { Cache } from './desired.ts'
import type { Runtime } from './runtime.ts'
import { runtimes } from './runtimes.ts'
import type { Source, SourceCredentials } from './source.ts'

const derivedKeys = { accessKeyId: 'accessKeyId', secretAccessKey: 'secretAccessKey' } as const

/** The source of two keys that a Runtime cannot refer to directly. */
export type SecretOrigin = Extract<SourceCredentials, { kind: 'keys' | 'entry' }>

/**
 * The credentials to copy into the cache's own Secret: keys inside a JSON value, or in a Secret that its
 * Runtime cannot mount. Undefined if a reference is enough.
 */
export function derivedFrom({ source: { credentials }, runtime }: Cache): SecretOrigin | undefined {
  if (credentials.kind === 'entry') return credentials
  if (credentials.kind !== 'keys') return undefined
  const { mountableSecret }: Runtime = runtimes[runtime]
  return mountableSecret?.test(credentials.secretName) === false ? credentials : undefined
}

/**
 * The source with the credentials that the Runtime mounts: those of the cache's own Secret, if it has one.
 */
export function mountedSource(cache: Cache): Source {
  if (derivedFrom(cache) === undefined) return cache.source
  return { ...cache.source, credentials: { kind: 'keys', secretName: cache.name, ...derivedKeys } }
}

/** The Secret of a cache, which goes when its Dataset goes. */
export function derivedSecret(
  { name, namespace, source }: Cache,
  keys: { accessKeyId: string; secretAccessKey: string },
  owner: KubeObject,
): KubeObject {
  const encoded = Object.entries(derivedKeys).map(([field, key]) => {
    return [key, Buffer.from(keys[field as keyof typeof keys]).toString('base64')] as const
  })
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      ...ourMetadata({ name, namespace, uri: source.uri }),
      ownerReferences: [ownerReference(owner)],
    },
    type: 'Opaque',
    data: Object.fromEntries(encoded),
  }
}
