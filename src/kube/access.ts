import { getIn, type JsonObject } from '../values/object.ts'
import type { KubeClient } from './client.ts'
import { apiVersionOf, resources } from './resources.ts'

export interface Account {
  namespace: string
  name: string
}

/** The user name under which the API server knows a service account. */
export function userOf({ namespace, name }: Account): string {
  return `system:serviceaccount:${namespace}:${name}`
}

/** Whether an account, or without one this process, has a right (`resourceAttributes` of a review). */
export async function isAllowed(
  client: Pick<KubeClient, 'create'>,
  resourceAttributes: JsonObject,
  { account, signal }: { account?: Account; signal?: AbortSignal | undefined },
): Promise<boolean> {
  const resource = account === undefined ? resources.selfSubjectAccessReview : resources.subjectAccessReview
  const subject = account && {
    user: userOf(account),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`, 'system:authenticated'],
  }
  const head = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: {} }
  const spec = { ...subject, resourceAttributes }
  const review = await client.create(resource, { ...head, spec }, { signal })
  return getIn(review, 'status', 'allowed') === true
}
