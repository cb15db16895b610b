import { type KubeObject, listAt, stringAt } from '../values/object.ts'

/** What credentials need to know of a service account. */
export interface ServiceAccountFact {
  name: string
  /** Names in `secrets[]`, in order; imagePullSecrets are no credentials. */
  secrets: string[]
  annotations: { [key: string]: string }
}

/** The service account that a service's predictor runs as. */
export function serviceAccountName(service: KubeObject): string {
  return stringAt(service, 'spec', 'predictor', 'serviceAccountName') || 'default'
}

/** A service account that does not exist lists no secrets. */
export function serviceAccountFact(account: KubeObject | undefined, name: string): ServiceAccountFact {
  const secrets = listAt(account, 'secrets').flatMap((reference) => stringAt(reference, 'name') ?? [])
  return { name, secrets, annotations: account?.metadata.annotations ?? {} }
}
