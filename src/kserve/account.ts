import { limits } from '../values/limits.ts'
import { type KubeObject, listAt, stringAt } from '../values/object.ts'
import type { ModelLocation } from './model-location.ts'

/** The parts of a service account that its credentials depend on. */
export interface ServiceAccountFact {
  name: string
  /**
   * Names in `secrets[]`, in order; imagePullSecrets are no credentials. Empty if there are too many to read.
   */
  secrets: string[]
  /** How many Secrets it lists, if there are too many to read. */
  tooMany?: number
  annotations: { [key: string]: string }
  /**
   * When it was created, in milliseconds since 1970. Never set for `default`, which is older than its users.
   */
  createdMs?: number
  /** Set if a service names it and it does not exist yet. */
  isMissing?: true
  /** Set if it was read from files, which may hold less than the cluster. */
  isFromFiles?: true
}

/** The names of the service accounts that KServe would take credentials from, without duplicates. */
export function serviceAccountNames(locations: ModelLocation[]): string[] {
  const names = locations.flatMap(({ serviceAccount, prefillAccount = serviceAccount }) => [
    serviceAccount,
    prefillAccount,
  ])
  return [...new Set(names)]
}

/**
 * A service account that does not exist lists no Secrets. `default` always counts as existing, because
 * Kubernetes creates it a moment after the namespace.
 */
export function serviceAccountFact(account: KubeObject | undefined, name: string): ServiceAccountFact {
  if (account === undefined && name !== 'default')
    return { name, secrets: [], annotations: {}, isMissing: true }
  const created = name === 'default' ? {} : createdOf(account)
  const annotations = account?.metadata.annotations ?? {}
  const listed = listAt(account, 'secrets')
  // Read none of them: with only a part, Warmgate could pick other credentials than KServe does.
  if (listed.length > limits.accountSecrets)
    return { name, secrets: [], tooMany: listed.length, annotations, ...created }
  const secrets = listed.flatMap((reference) => stringAt(reference, 'name') ?? [])
  return { name, secrets, annotations, ...created }
}

/** When an object was created, in milliseconds since 1970; empty if it has no creationTimestamp. */
export function createdOf(object: KubeObject | undefined): { createdMs?: number } {
  const createdMs = Date.parse(object?.metadata.creationTimestamp ?? '')
  return Number.isNaN(createdMs) ? {} : { createdMs }
}
