import type { KubeClient } from '../kube/client.ts'
import { deleteByUid } from '../kube/delete.ts'
import { listInstalled } from '../kube/list.ts'
import { resources } from '../kube/resources.ts'
import { cacheView, readCache } from '../plan/cache/cache-reading.ts'
import { recordedLocations } from '../plan/service/original.ts'
import { type Policy, parsePolicies, rewritesPods, selectPolicy } from '../policy/policy.ts'
import { predictorOf } from '../policy/prewarm.ts'
import { labelsOf } from '../policy/scope.ts'
import { waitedFor } from '../restore/context.ts'
import type { Clock } from '../values/clock.ts'
import { formatDuration, parseDurationMs } from '../values/duration.ts'
import { type KubeObject, keyOf, keyText } from '../values/object.ts'
import { quoted } from '../values/text.ts'
import { describePhase } from './phase.ts'
import { readStatus } from './status.ts'
import { type Printing, type Say, sayTo } from './terminal.ts'

export interface WarmOptions {
  client: KubeClient
  clock: Clock
  signal: AbortSignal
  namespace: string
  uri: string
  serviceAccount: string
  /** Do it, instead of only printing what would be done. */
  yes: boolean
  timeoutMs: number
}

/**
 * `warmgate warm`: makes the cache of a model before any service needs it. It creates an InferenceService that KServe
 * keeps stopped, so that it has no pods, waits until its caches are warm, and deletes it. The policy then retains the
 * caches. Resolves with the exit status: 1 if the model has no cache, or it is not warm in time.
 */
export async function runWarm(options: WarmOptions, printing: Printing): Promise<0 | 1> {
  const { client, namespace, uri, yes } = options
  const say = sayTo(printing)
  const model = `${quoted(uri)} in ${namespace}`
  const refuse = (why: string) => {
    say(`${model}: ${why}`)
    return 1 as const
  }
  const policy = await governingPolicy(options)
  if (policy === undefined)
    return refuse('no AccelerationPolicy is for this namespace, or it has not opted in')
  const { retain } = policy.spec.cache
  if ((parseDurationMs(retain) ?? 0) === 0)
    return refuse(
      `AccelerationPolicy ${policy.name} retains no unused cache: set cache.retain, or list the model in prewarm`,
    )
  const warnings: string[] = []
  const wanted = stoppedService(options)
  const admitted = await client.create(resources.inferenceService, wanted, {
    dryRun: true,
    onWarning: (text) => warnings.push(text),
  })
  const caches = recordedLocations(admitted).map(({ cache }) => cache)
  if (caches.length === 0 && !rewritesPods(policy))
    return refuse(warnings.join('; ') || 'Warmgate did not see it: is it running?')
  const named = caches.length === 0 ? 'a cache' : `cache ${caches.join(', ')}`
  const kept = `by AccelerationPolicy ${policy.name}; kept for ${retain} after it is warm`
  if (!yes) {
    say(`${model}: would have ${named}, ${kept}; run again with --yes`)
    return 0
  }
  const service = await client.create(resources.inferenceService, wanted)
  say(`${model}: ${named}, ${kept}`)
  return await follow(service, options, (line) => say(`${model}: ${line}`))
}

/** The policy for a service without labels in the namespace. */
async function governingPolicy({ client, namespace, signal }: WarmOptions): Promise<Policy | undefined> {
  const [found, objects] = await Promise.all([
    client.get(resources.namespace, { name: namespace }, { signal }),
    listInstalled(client, resources.accelerationPolicy, { signal }),
  ])
  const labels = labelsOf(namespace, found?.metadata.labels)
  return selectPolicy(parsePolicies(objects), { namespace: labels, service: {} })
}

/**
 * A service without pods. Versions of KServe that do not know the annotation create one: no scheduler has its name, so
 * that it does not start.
 */
function stoppedService({ clock, namespace, ...model }: WarmOptions): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: {
      name: `warm-${clock.now().toString(36)}`,
      namespace,
      annotations: { 'serving.kserve.io/stop': 'true' },
    },
    spec: { predictor: { ...predictorOf(model), schedulerName: 'warmgate.dev-none' } },
  }
}

/** Prints how far the caches of a service are, until they are warm. */
async function follow(service: KubeObject, options: WarmOptions, say: Say): Promise<0 | 1> {
  const { client, clock, signal, timeoutMs } = options
  const startedMs = clock.now()
  let state: CachesState | undefined
  const pending = await waitedFor({ ...options, patienceMs: 0, say }, async () => {
    state = await readCaches(service, options)
    return state.hasEnded ? undefined : state.line
  })
  if (pending !== undefined) {
    const why = signal.aborted ? 'not waited for' : `not warm after ${formatDuration(timeoutMs)}`
    const name = keyText(keyOf(service))
    say(
      `${why}: it continues while InferenceService ${name} exists; delete that to give up, or once it is warm`,
    )
    return 1
  }
  await deleteByUid(client, resources.inferenceService, service)
  say(state?.isWarm ? `warm after ${formatDuration(clock.now() - startedMs)}` : (state?.line ?? ''))
  return state?.isWarm ? 0 : 1
}

interface CachesState {
  line: string
  isWarm: boolean
  hasEnded: boolean
}

/** How far the caches of a service are. They have ended if all are warm, or if one has failed. */
async function readCaches(
  service: KubeObject,
  { client, clock, namespace, signal }: WarmOptions,
): Promise<CachesState> {
  const objects = await readStatus({ client, namespace, signal, selector: undefined })
  const view = cacheView(objects)
  const phases = partsOf(service, objects.datasets).map(
    (part) => readCache(view, { namespace, ...part }, clock.now()).phase,
  )
  const failed = phases.find(({ kind }) => kind === 'failed')
  const isWarm = phases.length > 0 && phases.every(({ kind }) => kind === 'warm')
  const line = failed === undefined ? phases.map(describePhase).join('; ') : describePhase(failed)
  return { line: line || 'its cache does not exist yet', isWarm, hasEnded: isWarm || failed !== undefined }
}

/** The parts of caches that a service uses: as its record says, else those that it owns. */
function partsOf(service: KubeObject, datasets: KubeObject[]): { name: string; path: string }[] {
  const recorded = recordedLocations(service)
  if (recorded.length > 0) return recorded.map(({ cache, path = '' }) => ({ name: cache, path }))
  const { uid } = service.metadata
  return datasets
    .filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid))
    .map(({ metadata: { name = '' } }) => ({ name, path: '' }))
}
