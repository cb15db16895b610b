import { limits } from '../values/limits.ts'
import { type KubeObject, listAt, stringAt } from '../values/object.ts'
import type { ModelLocation } from './model-location.ts'

/** What credentials need to know of a service account. */
export interface ServiceAccountFact {
  name: string
  /** Names in `secrets[]`, in order; imagePullSecrets are no credentials. None where there are too many to read. */
  secrets: string[]
  /** How many it lists, where they are too many. */
  tooMany?: number
  annotations: { [key: string]: string }
  /** When it was created, in milliseconds since 1970; the default one is older than what uses it. */
  createdMs?: number
  /** Whether it is named, and does not exist yet. */
  isMissing?: true
  /** Whether it was read from files, which may hold less than the cluster. */
  isOfFiles?: true
}

/** The service accounts whose credentials KServe would use, each once. */
export function serviceAccountNames(locations: ModelLocation[]): string[] {
  const names = locations.flatMap(({ serviceAccount, prefillAccount = serviceAccount }) => [
    serviceAccount,
    prefillAccount,
  ])
  return [...new Set(names)]
}

/**
 * A service account that does not exist lists no secrets. The default one counts as there: Kubernetes makes it in each
 * namespace, a moment after that.
 */
export function serviceAccountFact(account: KubeObject | undefined, name: string): ServiceAccountFact {
  if (account === undefined && name !== 'default')
    return { name, secrets: [], annotations: {}, isMissing: true }
  const created = name === 'default' ? {} : createdOf(account)
  const annotations = account?.metadata.annotations ?? {}
  const listed = listAt(account, 'secrets')
  // A part of them would be other credentials than KServe's.
  if (listed.length > limits.accountSecrets)
    return { name, secrets: [], tooMany: listed.length, annotations, ...created }
  const secrets = listed.flatMap((reference) => stringAt(reference, 'name') ?? [])
  return { name, secrets, annotations, ...created }
}

/** When an object was created, in milliseconds since 1970, if it says so. */
export function createdOf(object: KubeObject | undefined): { createdMs?: number } {
  const createdMs = Date.parse(object?.metadata.creationTimestamp ?? '')
  return Number.isNaN(createdMs) ? {} : { createdMs }
}
