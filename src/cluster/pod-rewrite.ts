import { isOurs } from '../fluid/dataset.ts'
import { datasetOf, pathOf } from '../fluid/load.ts'
import { parseModelUri } from '../kserve/uri.ts'
import { isOptedOut } from '../plan/facts.ts'
import { podSource } from '../plan/pod/redirect.ts'
import { claimUri } from '../plan/service/original.ts'
import { choosePolicy } from '../policy/overrides.ts'
import { rewritesPods, selectPolicy } from '../policy/policy.ts'
import { sourceAnnotation } from '../values/keys.ts'
import { type KubeObject, keyOf } from '../values/object.ts'
import { namespaceLabels } from './facts.ts'
import { byOwner } from './indexes.ts'
import type { Mirror } from './mirror.ts'
import type { Planner } from './planner.ts'

/**
 * The claim URI that a new pod under `rewrite: Pod` reads its model from; undefined for other pods. Makes no
 * API call if the cache exists.
 */
export async function podClaim(
  { mirror, planner }: { mirror: Mirror; planner: Planner },
  pod: KubeObject,
  namespace: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const uri = podSource(pod)
  const service = uri === undefined ? undefined : mirror.services.ofPod(pod, namespace)
  if (uri === undefined || service === undefined || !isServedByPods(mirror, service, namespace))
    return undefined
  const known = knownClaim(mirror, service, uri)
  if (known !== undefined) return known
  const planned = await planner.podRewrite(service, signal)
  if (planned.reason !== 'AlreadyCached') return undefined
  return planned.locations.find(({ by, source }) => by === 'Pod' && source === uri)?.claim
}

/**
 * Whether a policy rewrites the pods of a service. False for a service with a record: while such a service is
 * reverted, its cache still exists for a moment, and new pods must not read from it.
 */
function isServedByPods(mirror: Mirror, service: KubeObject, namespace: string): boolean {
  const { labels = {}, annotations = {} } = service.metadata
  if (isOptedOut(annotations) || mirror.records.of(service) !== undefined) return false
  const policies = mirror.parsedPolicies()
  const selected = selectPolicy(policies, { namespace: namespaceLabels(mirror, namespace), service: labels })
  const chosen = selected && choosePolicy(selected, policies, annotations)
  return chosen?.ok === true && rewritesPods(chosen.policy)
}

/**
 * The claim URI of the cache that the controller created for this service and model, if there is exactly one.
 */
function knownClaim(mirror: Mirror, { metadata }: KubeObject, uri: string): string | undefined {
  const parsed = parseModelUri(uri)
  if (parsed.kind === 'other') return undefined
  const servesModel = (object: KubeObject) =>
    isOurs(object) &&
    object.metadata.deletionTimestamp === undefined &&
    object.metadata.namespace === metadata.namespace &&
    object.metadata.annotations?.[sourceAnnotation] === parsed.directory.uri
  const { uid = '' } = metadata
  const datasets = mirror.datasets.by(byOwner, uid).filter(servesModel)
  // In a Dataset with many models, the DataLoad of this model has the source.
  const loads = mirror.dataLoads
    .by(byOwner, uid)
    .filter((load) => servesModel(load) && isServing(mirror.datasets.get(datasetOf(load))))
  const claims = new Set([
    ...datasets.map((dataset) => claimUri({ cache: keyOf(dataset).name })),
    ...loads.map((load) => claimUri({ cache: datasetOf(load).name, path: pathOf(load) })),
  ])
  return claims.size === 1 ? [...claims][0] : undefined
}

function isServing(dataset: KubeObject | undefined): boolean {
  return dataset !== undefined && isOurs(dataset) && dataset.metadata.deletionTimestamp === undefined
}
