import { type KubeObject, listAt, stringAt } from '../values/object.ts'
import type { ModelLocation } from './location.ts'

/** What credentials need to know of a service account. */
export interface ServiceAccountFact {
  name: string
  /** Names in `secrets[]`, in order; imagePullSecrets are no credentials. */
  secrets: string[]
  annotations: { [key: string]: string }
}

/** The service accounts whose credentials KServe would use, each once. */
export function serviceAccountNames(locations: ModelLocation[]): string[] {
  return [...new Set(locations.map(({ serviceAccount }) => serviceAccount))]
}

/** A service account that does not exist lists no secrets. */
export function serviceAccountFact(account: KubeObject | undefined, name: string): ServiceAccountFact {
  const secrets = listAt(account, 'secrets').flatMap((reference) => stringAt(reference, 'name') ?? [])
  return { name, secrets, annotations: account?.metadata.annotations ?? {} }
}
