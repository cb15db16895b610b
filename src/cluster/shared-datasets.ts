import type { KubeClient } from '../kube/client.ts'
import { resources } from '../kube/resources.ts'
import type { SharedDataset } from '../plan/facts.ts'
import type { SharedDatasetUse } from '../plan/service/shared-dataset.ts'
import { mapConcurrently } from '../values/concurrency.ts'
import { getIn } from '../values/object.ts'
import type { Mirror } from './mirror.ts'

interface Sources {
  mirror: Mirror
  client: KubeClient
}

/**
 * What is known of the Datasets that policies lend by name, and which of a service's accounts may get them. Who sent the
 * request is no matter: whoever may make pods in a namespace may mount its claims, so it is the account that is asked about.
 */
export async function readSharedDatasets(
  { mirror, client }: Sources,
  names: SharedDatasetUse[],
  { namespace, signal }: { namespace: string; signal?: AbortSignal | undefined },
): Promise<SharedDataset[]> {
  const questions = names.flatMap(({ accounts, ...key }) => accounts.map((account) => ({ key, account })))
  const answers = await mapConcurrently(questions, { limit: concurrentReviews, signal }, (question) =>
    mayGet(client, question.key, { namespace, account: question.account }),
  )
  const granted = questions.filter((_, index) => answers[index])
  return names.map(({ accounts: _, ...key }) => ({
    ...key,
    dataset: mirror.datasets.get(key),
    runtimes: Object.values(mirror.runtimes).flatMap((runtimes) => runtimes.get(key) ?? []),
    allowedAccounts: granted
      .filter((each) => each.key.namespace === key.namespace && each.key.name === key.name)
      .map(({ account }) => account),
  }))
}

const concurrentReviews = 8

async function mayGet(
  client: KubeClient,
  { namespace, name }: { namespace: string; name: string },
  asking: { namespace: string; account: string },
): Promise<boolean> {
  const { group, plural } = resources.dataset
  const review = await client.create(resources.subjectAccessReview, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec: {
      user: `system:serviceaccount:${asking.namespace}:${asking.account}`,
      groups: [
        'system:serviceaccounts',
        `system:serviceaccounts:${asking.namespace}`,
        'system:authenticated',
      ],
      resourceAttributes: { verb: 'get', group, resource: plural, namespace, name },
    },
  })
  return getIn(review, 'status', 'allowed') === true
}
