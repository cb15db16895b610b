import { isAllowed } from '../kube/access.ts'
import type { KubeClient } from '../kube/client.ts'
import { resources } from '../kube/resources.ts'
import type { SharedDataset } from '../plan/facts.ts'
import type { LocationNeeds } from '../plan/service/needs.ts'
import type { DatasetRef } from '../plan/service/source.ts'
import { keyText } from '../values/object.ts'
import type { Mirror } from './mirror.ts'

/**
 * The shared Datasets that policies name, and the service accounts that may get them. Checks the service
 * account and not the user of the request, because any user who may create pods in a namespace can mount its
 * PVCs.
 */
export function readSharedDatasets(
  mirror: Pick<Mirror, 'datasets' | 'runtimes'>,
  needs: Pick<LocationNeeds, 'account' | 'sharedDatasets'>[],
  isGranted: (dataset: DatasetRef, account: string) => boolean,
): SharedDataset[] {
  const uses = needs.flatMap(({ account, sharedDatasets }) =>
    sharedDatasets.map((dataset) => ({ account, dataset })),
  )
  const byDataset = Map.groupBy(uses, ({ dataset }) => keyText(dataset))
  return [...byDataset.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { namespace, name } = first.dataset
    const accounts = [...new Set(group.map(({ account }) => account))]
    return {
      namespace,
      name,
      dataset: mirror.datasets.get({ namespace, name }),
      runtimes: Object.values(mirror.runtimes).flatMap((known) => known.get({ namespace, name }) ?? []),
      allowedAccounts: accounts.filter((account) => isGranted(first.dataset, account)),
    }
  })
}

/** Whether a service account may get a Dataset, according to a SubjectAccessReview. */
export async function mayGet(
  client: KubeClient,
  { namespace, name }: DatasetRef,
  asking: { namespace: string; account: string; signal: AbortSignal | undefined },
): Promise<boolean> {
  const { group, plural } = resources.dataset
  const attributes = { verb: 'get', group, resource: plural, namespace, name }
  const account = { namespace: asking.namespace, name: asking.account }
  return await isAllowed(client, attributes, { account, signal: asking.signal })
}
