import { isOurs, sourceAnnotation } from '../fluid/dataset.ts'
import { parseModelUri } from '../kserve/uri.ts'
import { claimUri } from '../plan/original.ts'
import { plan } from '../plan/plan.ts'
import { podSource } from '../plan/turn.ts'
import { rewritesPods } from '../policy/policy.ts'
import type { KubeObject } from '../values/object.ts'
import { type FactsSources, readFacts } from './facts.ts'

/**
 * The claim that a new pod is to read its model from, where its service is served by its pods (`rewrite: Pod`);
 * undefined where it is not. While the cache is there nothing is asked of the API server.
 */
export async function podClaim(
  sources: FactsSources,
  pod: KubeObject,
  namespace: string,
): Promise<string | undefined> {
  const { mirror } = sources
  const uri = podSource(pod)
  const isPodwise = mirror.parsedPolicies().some(rewritesPods)
  const service = uri === undefined || !isPodwise ? undefined : mirror.services.ofPod(pod, namespace)
  if (uri === undefined || service === undefined) return undefined
  const known = knownClaim(sources, service, uri)
  if (known !== undefined) return known
  const made = plan({ service, previous: service, facts: await readFacts(sources, service, namespace) })
  if (made.reason !== 'AlreadyCached') return undefined
  return made.placements.find(({ by, source }) => by === 'Pod' && source === uri)?.claim
}

/** The cache that the controller made for this service and model, where there is just one. */
function knownClaim({ mirror }: FactsSources, { metadata }: KubeObject, uri: string): string | undefined {
  const parsed = parseModelUri(uri)
  if (parsed.kind === 'other') return undefined
  const owned = mirror.datasets
    .list(metadata.namespace)
    .filter((dataset) => isOurs(dataset) && dataset.metadata.deletionTimestamp === undefined)
    .filter((dataset) => dataset.metadata.annotations?.[sourceAnnotation] === parsed.directory.uri)
    .filter((dataset) => dataset.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid))
  const [dataset, ...others] = owned
  return dataset === undefined || others.length > 0
    ? undefined
    : claimUri({ cache: dataset.metadata.name ?? '' })
}
