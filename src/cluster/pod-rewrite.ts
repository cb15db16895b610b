import { isOurs, sourceAnnotation } from '../fluid/dataset.ts'
import { datasetOf, pathOf } from '../fluid/load.ts'
import { parseModelUri } from '../kserve/uri.ts'
import { plan } from '../plan/plan.ts'
import { podSource } from '../plan/pod/redirect.ts'
import { claimUri } from '../plan/service/original.ts'
import { rewritesPods } from '../policy/policy.ts'
import { type KubeObject, keyOf } from '../values/object.ts'
import { readFacts } from './facts.ts'
import type { FactsSources } from './sources.ts'

/**
 * The claim that a new pod is to read its model from, where its service is served by its pods (`rewrite: Pod`);
 * undefined where it is not. While the cache is there nothing is asked of the API server.
 */
export async function podClaim(
  sources: FactsSources,
  pod: KubeObject,
  namespace: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { mirror } = sources
  const uri = podSource(pod)
  const isPodwise = mirror.parsedPolicies().some(rewritesPods)
  const service = uri === undefined || !isPodwise ? undefined : mirror.services.ofPod(pod, namespace)
  if (uri === undefined || service === undefined) return undefined
  const known = knownClaim(sources, service, uri)
  if (known !== undefined) return known
  const made = plan({
    service,
    previous: service,
    facts: await readFacts(sources, service, namespace, signal),
  })
  if (made.reason !== 'AlreadyCached') return undefined
  return made.locations.find(({ by, source }) => by === 'Pod' && source === uri)?.claim
}

/** The cache that the controller made for this service and model, where there is just one. */
function knownClaim({ mirror }: FactsSources, { metadata }: KubeObject, uri: string): string | undefined {
  const parsed = parseModelUri(uri)
  if (parsed.kind === 'other') return undefined
  const isIts = (object: KubeObject) =>
    isOurs(object) &&
    object.metadata.deletionTimestamp === undefined &&
    object.metadata.annotations?.[sourceAnnotation] === parsed.directory.uri &&
    object.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid) === true
  const datasets = mirror.datasets.list(metadata.namespace).filter(isIts)
  // A cache of many models is told by the DataLoad of this one.
  const loads = mirror.dataLoads
    .list(metadata.namespace)
    .filter((load) => isIts(load) && isServing(mirror.datasets.get(datasetOf(load))))
  const claims = new Set([
    ...datasets.map((dataset) => claimUri({ cache: keyOf(dataset).name })),
    ...loads.map((load) => claimUri({ cache: datasetOf(load).name, path: pathOf(load) })),
  ])
  return claims.size === 1 ? [...claims][0] : undefined
}

function isServing(dataset: KubeObject | undefined): boolean {
  return dataset !== undefined && isOurs(dataset) && dataset.metadata.deletionTimestamp === undefined
}
