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
 * The claim that a new pod is to read its model from, where its service is served by its pods (`rewrite: Pod`);
 * undefined where it is not. While the cache is there nothing is asked of the API server.
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
 * Whether a policy rewrites the pods of a service. A service that was rewritten itself and goes back still has its
 * cache for a moment: its new pods must not read from that.
 */
function isServedByPods(mirror: Mirror, service: KubeObject, namespace: string): boolean {
  const { labels = {}, annotations = {} } = service.metadata
  if (isOptedOut(annotations) || mirror.records.of(service) !== undefined) return false
  const policies = mirror.parsedPolicies()
  const selected = selectPolicy(policies, { namespace: namespaceLabels(mirror, namespace), service: labels })
  const chosen = selected && choosePolicy(selected, policies, annotations)
  return chosen?.ok === true && rewritesPods(chosen.policy)
}

/** The cache that the controller made for this service and model, where there is just one. */
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
  // A cache of many models is told by the DataLoad of this one.
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
