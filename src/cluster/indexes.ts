import { datasetOf } from '../fluid/load.ts'
import { claimsOf } from '../kserve/pod.ts'
import type { IndexFunction } from '../kube/store.ts'
import { keyText, listAt, stringAt } from '../values/object.ts'

/* How the mirror finds objects beside their keys and namespaces: `mirror.dataLoads.by(byDataset, keyText(key))`. */

/** DataLoads by the key of the Dataset that they fill. */
export const byDataset: IndexFunction = (dataLoad) => [keyText(datasetOf(dataLoad))]

/** Datasets and DataLoads by the UIDs of their owners. */
export const byOwner: IndexFunction = ({ metadata }) =>
  listAt(metadata, 'ownerReferences').flatMap((owner) => stringAt(owner, 'uid') ?? [])

/** Pods by the keys of the claims that they mount. */
export const byClaim: IndexFunction = (pod) => {
  const { namespace = '' } = pod.metadata
  return claimsOf(pod).map((name) => keyText({ namespace, name }))
}
