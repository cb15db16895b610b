import { isDeepStrictEqual } from 'node:util'
import { isOurs } from '../../fluid/dataset.ts'
import type { Cache } from '../../fluid/desired.ts'
import { derivedFrom, derivedSecret } from '../../fluid/secret.ts'
import { keyPair } from '../../kserve/secret.ts'
import type { KubeClient } from '../../kube/client.ts'
import { hasStatus } from '../../kube/errors.ts'
import { resources } from '../../kube/resources.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { sourceAnnotation } from '../../values/keys.ts'
import type { KubeObject } from '../../values/object.ts'

/** How often Secrets are compared, with three reads each. They are not watched, so that their values are never stored. */
export const secretResyncMs = 10 * 60_000

export type SecretSynced =
  | { kind: 'none' }
  | { kind: 'synced' }
  | { kind: 'blocked'; reason: 'CredentialsMissing' | 'NameTaken'; message: string }

/**
 * Updates the Secret of a cache from the Secret that its keys are copied from, if the cache needs one. The
 * Dataset owns it, so both are deleted together. Secret values are neither logged nor kept in memory.
 */
export async function syncSecret(
  { client, logger }: { client: KubeClient; logger: Logger },
  cache: Cache,
  owner: KubeObject,
): Promise<SecretSynced> {
  const origin = derivedFrom(cache)
  if (origin === undefined) return { kind: 'none' }
  const { namespace, name } = cache
  const [source, present] = await Promise.all([
    client.get(resources.secret, { namespace, name: origin.secretName }),
    client.get(resources.secret, { namespace, name }),
  ])
  const keys = source === undefined ? undefined : keyPair(source, origin)
  if (keys === undefined) {
    const message = `Secret ${origin.secretName} has no keys to be copied for cache ${name}`
    return { kind: 'blocked', reason: 'CredentialsMissing', message }
  }
  if (present !== undefined && !isForCache(present, cache)) {
    const message = `Secret ${name} exists and is not Warmgate's: delete or rename it`
    return { kind: 'blocked', reason: 'NameTaken', message }
  }
  const desired = derivedSecret(cache, keys, owner)
  if (present !== undefined && isInStep(present, desired)) return { kind: 'synced' }
  try {
    await client.apply(resources.secret, desired)
  } catch (error) {
    if (!hasStatus(error, 403)) throw error
    return { kind: 'blocked', reason: 'CredentialsMissing', message: notGranted(cache) }
  }
  logger.info({ kind: 'Secret', name, namespace, from: origin.secretName }, 'applied')
  return { kind: 'synced' }
}

/** Warmgate may write Secrets only in namespaces that bind the ClusterRole warmgate-cache-secrets. */
function notGranted({ namespace, name }: Cache): string {
  const role = 'warmgate-cache-secrets'
  const account = 'warmgate-system:warmgate'
  return `Warmgate may not write Secret ${name} in this namespace: kubectl create rolebinding ${role} -n ${namespace} --clusterrole=${role} --serviceaccount=${account}`
}

function isForCache(secret: KubeObject, { source }: Cache): boolean {
  return isOurs(secret) && secret.metadata.annotations?.[sourceAnnotation] === source.uri
}

function isInStep(present: KubeObject, desired: KubeObject): boolean {
  return (
    isDeepStrictEqual(present.data, desired.data) &&
    isDeepStrictEqual(present.metadata.ownerReferences, desired.metadata.ownerReferences)
  )
}
