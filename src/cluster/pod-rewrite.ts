import { isOurs } from '../fluid/dataset.ts'
import { datasetOf, pathOf } from '../fluid/load.ts'
import { readClaimUri } from '../kserve/pod.ts'
import { parseModelUri } from '../kserve/uri.ts'
import { readCache } from '../plan/cache/cache-reading.ts'
import { isOptedOut } from '../plan/facts.ts'
import { podSource } from '../plan/pod/redirect.ts'
import { claimUri } from '../plan/service/original.ts'
import { choosePolicy } from '../policy/overrides.ts'
import { selectPolicy } from '../policy/policy.ts'
import type { PolicySpec } from '../policy/schema.ts'
import type { Clock } from '../values/clock.ts'
import { sourceAnnotation } from '../values/keys.ts'
import { type KubeObject, keyOf } from '../values/object.ts'
import { namespaceLabels } from './facts.ts'
import { byOwner } from './indexes.ts'
import type { Mirror } from './mirror.ts'
import type { Planner } from './planner.ts'

/**
 * The claim URI that a new pod under `rewrite: Pod` or `WarmPod` reads its model from; undefined for other pods, and
 * under `WarmPod` while the cache is not warm. Makes no API call if the cache exists.
 */
export async function podClaim(
  { mirror, planner, clock }: { mirror: Mirror; planner: Planner; clock: Pick<Clock, 'now'> },
  pod: KubeObject,
  namespace: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const uri = podSource(pod)
  const service = uri === undefined ? undefined : mirror.services.ofPod(pod, namespace)
  if (uri === undefined || service === undefined) return undefined
  const rewrite = rewriteFor(mirror, service, namespace)
  if (rewrite === 'Spec') return undefined
  const claim = knownClaim(mirror, service, uri) ?? (await plannedClaim(planner, service, uri, signal))
  if (claim === undefined) return undefined
  return rewrite === 'Pod' || isWarm(mirror, namespace, claim, clock.now()) ? claim : undefined
}

/**
 * What the policy of a service rewrites. `Spec` for a service with a record: while such a service is reverted, its
 * cache still exists for a moment, and new pods must not read from it.
 */
function rewriteFor(mirror: Mirror, service: KubeObject, namespace: string): PolicySpec['rewrite'] {
  const { labels = {}, annotations = {} } = service.metadata
  if (isOptedOut(annotations) || mirror.records.of(service) !== undefined) return 'Spec'
  const policies = mirror.parsedPolicies()
  const selected = selectPolicy(policies, { namespace: namespaceLabels(mirror, namespace), service: labels })
  const chosen = selected && choosePolicy(selected, policies, annotations)
  return chosen?.ok === true ? chosen.policy.spec.rewrite : 'Spec'
}

async function plannedClaim(
  planner: Planner,
  service: KubeObject,
  uri: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const planned = await planner.podRewrite(service, signal)
  if (planned.reason !== 'AlreadyCached') return undefined
  return planned.locations.find(({ by, source }) => by === 'Pod' && source === uri)?.claim
}

function isWarm(mirror: Mirror, namespace: string, uri: string, nowMs: number): boolean {
  return readClaimUri(uri).every(
    ({ claim: name, path }) => readCache(mirror, { namespace, name, path }, nowMs).phase.kind === 'warm',
  )
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
