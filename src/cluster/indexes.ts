import { datasetOf } from '../fluid/load.ts'
import { claimsOf } from '../kserve/pod.ts'
import type { IndexFunction } from '../kube/store.ts'
import { type Original, readOriginal } from '../plan/service/original.ts'
import { originalAnnotation } from '../values/keys.ts'
import { limits } from '../values/limits.ts'
import { type KubeObject, keyText, listAt, stringAt } from '../values/object.ts'

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

/** Services by the keys of the claims in their records, whether these are proven or not. */
export const byRecordedClaim: IndexFunction = (service) => {
  const { namespace = '' } = service.metadata
  return recordedClaims(service).map((name) => keyText({ namespace, name }))
}

/** The services that carry no record, under one value. */
export const withoutRecord: IndexFunction = (service) => (recordOf(service) === undefined ? [unrecorded] : [])
export const unrecorded = ''

function recordedClaims(service: KubeObject): string[] {
  const locations = Object.values(recordOf(service)?.locations ?? {})
  return [...new Set(locations.map(({ cache }) => cache))]
}

/** The record of a service, as `readRecord` reads it: a longer text is none. */
function recordOf(service: KubeObject): Original | undefined {
  try {
    const text = service.metadata.annotations?.[originalAnnotation] ?? ''
    return text.length > limits.annotationBytes ? undefined : readOriginal(service)
  } catch {
    // One service that cannot be read must not keep the mirror from following the others.
    return undefined
  }
}
