import { isBound, isOurs } from '../fluid/dataset.ts'
import { loadJobKey } from '../fluid/job.ts'
import { loadName } from '../fluid/name.ts'
import { isReference } from '../fluid/reference.ts'
import { refreshLoad } from '../fluid/refresh.ts'
import { runtimes } from '../fluid/runtimes.ts'
import type { KubeClient } from '../kube/client.ts'
import { deleteByUid } from '../kube/delete.ts'
import { llmInferenceService, type Resource, resources } from '../kube/resources.ts'
import { type CachePhase, loadPhase } from '../plan/cache/cache-phase.ts'
import { claimUri, recordedLocations } from '../plan/service/original.ts'
import { reasonOf, waitedFor } from '../restore/context.ts'
import type { Clock } from '../values/clock.ts'
import { formatDuration } from '../values/duration.ts'
import { filledFromAnnotation, refillAnnotation, refilledAnnotation } from '../values/keys.ts'
import { type KubeObject, keyOf, listAt, type ObjectKey, stringAt } from '../values/object.ts'
import { describePhase } from './phase.ts'
import { type Printing, type Say, sayTo } from './terminal.ts'

export interface RefreshOptions {
  client: KubeClient
  clock: Clock
  namespace: string
  service: string
  timeoutMs: number
  signal: AbortSignal
}

/**
 * `warmgate refresh`: reads the metadata of a service's caches again and loads changed files from their
 * source. Changes no pod and no service. Resolves with the exit status: 1 if a cache could not be refreshed.
 */
export async function runRefresh(options: RefreshOptions, printing: Printing): Promise<0 | 1> {
  const { namespace, service } = options
  const say = sayTo(printing)
  const found = await findService(options)
  const models = found === undefined ? [] : modelsOf(found)
  if (found === undefined) say(`there is no service ${namespace}/${service}`)
  else if (models.length === 0) say(`${namespace}/${service} uses no cache: nothing to refresh`)
  const refreshed = models.map(async (model) => {
    const sayOf = (line: string) => say(`${claimUri(model).replace('pvc://', '')}: ${line}`)
    const { status, line } = await refresh(model, options, sayOf).catch((error) => failed(reasonOf(error)))
    sayOf(line)
    return status
  })
  const statuses = await Promise.all(refreshed)
  return statuses.length > 0 && statuses.every((status) => status === 0) ? 0 : 1
}

interface Outcome {
  status: 0 | 1
  line: string
}

const done = (line: string): Outcome => ({ status: 0, line })
const failed = (line: string): Outcome => ({ status: 1, line })

/** A model of a service in a cache. The empty path is the root of the cache. */
interface CachedModel {
  cache: string
  path: string
}

function modelsOf(service: KubeObject): CachedModel[] {
  const locations = recordedLocations(service)
  return [...new Map(locations.map((each) => [claimUri(each), { path: '', ...each }])).values()]
}

async function findService({ client, namespace, service }: RefreshOptions): Promise<KubeObject | undefined> {
  const kinds: Resource[] = [
    resources.inferenceService,
    llmInferenceService('v1alpha2'),
    llmInferenceService('v1alpha1'),
  ]
  for (const resource of kinds) {
    // `get` returns undefined also if the cluster does not serve this resource (404).
    const found = await client.get(resource, { namespace, name: service })
    if (found !== undefined) return found
  }
  return undefined
}

async function refresh({ cache, path }: CachedModel, options: RefreshOptions, say: Say): Promise<Outcome> {
  const { client, clock, namespace } = options
  const key = { namespace, name: cache }
  const [dataset, warmup] = await Promise.all([
    client.get(resources.dataset, key),
    client.get(resources.dataLoad, { namespace, name: loadName(cache, path) }),
  ])
  if (dataset === undefined) return failed('its Dataset does not exist')
  if (!isOurs(dataset)) return failed("this Dataset is not Warmgate's: its team refreshes it with a DataLoad")
  if (!isBound(dataset)) return failed('its Dataset is not Bound yet')
  if (isReference(dataset))
    return done('it refers to a Dataset of another namespace: the owner of that Dataset refreshes it')
  if (readsThrough(dataset)) return done('its runtime reads through: nothing to load')
  if (dataset.metadata.annotations?.[filledFromAnnotation] !== undefined) {
    const problem = await refill(key, options, say)
    if (problem !== undefined) return failed(problem)
  }
  const load = await client.create(resources.dataLoad, refreshLoad(dataset, { warmup, path }, clock))
  try {
    return await follow(key, load, options, say)
  } finally {
    // Fluid deletes its Job with it.
    await deleteByUid(client, resources.dataLoad, load)
  }
}

/**
 * Requests the controller to download the model into its mirror again, and waits for the result. Resolves
 * with the reason why the cache cannot be refreshed; undefined if it can.
 */
async function refill(key: ObjectKey, options: RefreshOptions, say: Say): Promise<string | undefined> {
  const { client, clock } = options
  const request = clock.now().toString(36)
  const body = { metadata: { annotations: { [refillAnnotation]: request } } }
  await client.patch(resources.dataset, key, { type: 'merge', body })
  say('downloading the model into its mirror again')
  let problem: string | undefined
  const pending = await waitedFor(options, async () => {
    const dataset = await client.get(resources.dataset, key)
    const [answered, outcome, ...why] = (dataset?.metadata.annotations?.[refilledAnnotation] ?? '').split(' ')
    if (dataset === undefined) problem = 'its Dataset was deleted'
    else if (answered !== request) return 'not downloaded'
    else if (outcome !== 'Complete') problem = why.join(' ')
    return undefined
  })
  return pending === undefined ? problem : late(pending, options)
}

/** Why something that is still pending was not waited for. */
function late(what: string, { signal, timeoutMs }: RefreshOptions): string {
  return signal.aborted ? 'not waited for' : `${what} after ${formatDuration(timeoutMs)}`
}

/** Whether the runtime that serves a Dataset has no DataLoads. Fluid names it `thin` or `efc` there. */
function readsThrough(dataset: KubeObject): boolean {
  const types = listAt(dataset, 'status', 'runtimes').map((runtime) => stringAt(runtime, 'type'))
  return Object.values(runtimes).some(
    ({ kind, isLoadable }) => !isLoadable && types.includes(kind.replace(/Runtime$/, '').toLowerCase()),
  )
}

async function follow(key: ObjectKey, load: KubeObject, options: RefreshOptions, say: Say): Promise<Outcome> {
  const { client, clock } = options
  const startedMs = clock.now()
  let problem: string | undefined
  const pending = await waitedFor({ ...options, patienceMs: 0, say }, async () => {
    const phase = await currentPhase(client, key, load)
    if (phase.kind === 'failed') problem = phase.message
    return phase.kind === 'failed' || phase.kind === 'warm' ? undefined : describePhase(phase)
  })
  if (pending !== undefined) return failed(late('not refreshed', options))
  return problem === undefined
    ? done(`refreshed in ${formatDuration(clock.now() - startedMs)}`)
    : failed(problem)
}

async function currentPhase(client: KubeClient, key: ObjectKey, load: KubeObject): Promise<CachePhase> {
  const [dataset, dataLoad, job] = await Promise.all([
    client.get(resources.dataset, key),
    client.get(resources.dataLoad, keyOf(load)),
    client.get(resources.job, loadJobKey(keyOf(load))),
  ])
  if (dataset === undefined) return { kind: 'failed', message: 'its Dataset was deleted' }
  if (dataLoad === undefined) return { kind: 'failed', message: 'its DataLoad was deleted' }
  return loadPhase({ dataset, dataLoad, job })
}
