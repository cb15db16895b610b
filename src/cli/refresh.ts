import { isOurs } from '../fluid/dataset.ts'
import { loadJobKey } from '../fluid/job.ts'
import { loadName } from '../fluid/name.ts'
import { isReference } from '../fluid/reference.ts'
import { refreshLoad } from '../fluid/refresh.ts'
import { runtimes } from '../fluid/runtimes.ts'
import type { KubeClient } from '../kube/client.ts'
import { deleteByUid } from '../kube/delete.ts'
import { llmInferenceService, type Resource, resources } from '../kube/resources.ts'
import { type CachePhase, loadPhase } from '../plan/cache/cache-phase.ts'
import { describeProgress } from '../plan/cache/progress.ts'
import { claimUri, recordedLocations } from '../plan/service/original.ts'
import { reasonOf } from '../restore/context.ts'
import { type Clock, pause } from '../values/clock.ts'
import { formatDuration } from '../values/duration.ts'
import { filledFromAnnotation, refillAnnotation, refilledAnnotation } from '../values/keys.ts'
import { type KubeObject, keyOf, listAt, type ObjectKey, stringAt } from '../values/object.ts'
import { printable } from '../values/text.ts'
import type { Output as Stream } from './terminal.ts'

export interface RefreshOptions {
  client: KubeClient
  clock: Clock
  namespace: string
  service: string
  timeoutMs: number
  signal: AbortSignal
}

interface RefreshOutput {
  stdout: Pick<Stream, 'write'>
}

const pollMs = 1_000

/**
 * `warmgate refresh`: reads the metadata of a service's caches again and loads changed files from their
 * source. Changes no pod and no service. Resolves with the exit status: 1 if a cache could not be refreshed.
 */
export async function runRefresh(options: RefreshOptions, output: RefreshOutput): Promise<0 | 1> {
  const { namespace, service } = options
  const found = await findService(options)
  if (found === undefined) return say(output, `there is no service ${namespace}/${service}`)
  const models = modelsOf(found)
  if (models.length === 0) return say(output, `${namespace}/${service} uses no cache: nothing to refresh`)
  const results = await Promise.all(
    models.map((model) =>
      refresh(model, options, output).catch((error: unknown) =>
        say(output, `${claimUri(model).replace('pvc://', '')}: ${reasonOf(error)}`),
      ),
    ),
  )
  return results.every((result) => result === 0) ? 0 : 1
}

/** A model of a service in a cache. The empty path is the root of the cache. */
interface CachedModel {
  cache: string
  path: string
}

function modelsOf(service: KubeObject): CachedModel[] {
  const locations = recordedLocations(service)
  return [...new Map(locations.map((each) => [claimUri(each), { path: '', ...each }])).values()]
}

function say({ stdout }: RefreshOutput, message: string): 1 {
  stdout.write(`${printable(message)}\n`)
  return 1
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

async function refresh(
  { cache, path }: CachedModel,
  options: RefreshOptions,
  output: RefreshOutput,
): Promise<0 | 1> {
  const { client, clock, namespace } = options
  const key = { namespace, name: cache }
  const label = claimUri({ cache, path }).replace('pvc://', '')
  const [dataset, warmup] = await Promise.all([
    client.get(resources.dataset, key),
    client.get(resources.dataLoad, { namespace, name: loadName(cache, path) }),
  ])
  if (dataset === undefined) return say(output, `${label}: its Dataset does not exist`)
  if (!isOurs(dataset))
    return say(output, `${label}: this Dataset is not Warmgate's: its team refreshes it with a DataLoad`)
  if (stringAt(dataset, 'status', 'phase') !== 'Bound')
    return say(output, `${label}: its Dataset is not Bound yet`)
  if (isReference(dataset)) {
    say(
      output,
      `${label}: it refers to a Dataset of another namespace: the owner of that Dataset refreshes it`,
    )
    return 0
  }
  if (readsThrough(dataset)) {
    say(output, `${label}: its runtime reads through: nothing to load`)
    return 0
  }
  if (dataset.metadata.annotations?.[filledFromAnnotation] !== undefined) {
    const problem = await refill({ key, label }, options, output)
    if (problem !== undefined) return say(output, `${label}: ${problem}`)
  }
  const load = await client.create(resources.dataLoad, refreshLoad(dataset, { warmup, path }, clock))
  try {
    return await follow({ key, label, load }, options, output)
  } finally {
    // Fluid deletes its Job with it.
    await deleteByUid(client, resources.dataLoad, load)
  }
}

/**
 * Requests the controller to download the model into its mirror again, and waits for the result. Resolves
 * with the reason why the cache cannot be refreshed; undefined if it can.
 */
async function refill(
  { key, label }: { key: ObjectKey; label: string },
  { client, clock, timeoutMs, signal }: RefreshOptions,
  output: RefreshOutput,
): Promise<string | undefined> {
  const startedMs = clock.now()
  const request = startedMs.toString(36)
  const body = { metadata: { annotations: { [refillAnnotation]: request } } }
  await client.patch(resources.dataset, key, { type: 'merge', body })
  say(output, `${label}: downloading the model into its mirror again`)
  for (;;) {
    const dataset = await client.get(resources.dataset, key)
    if (dataset === undefined) return 'its Dataset was deleted'
    const [answered, outcome, ...why] = (dataset.metadata.annotations?.[refilledAnnotation] ?? '').split(' ')
    if (answered === request) return outcome === 'Complete' ? undefined : why.join(' ')
    if (signal.aborted) return 'not waited for'
    if (clock.now() - startedMs >= timeoutMs) return `not downloaded after ${formatDuration(timeoutMs)}`
    await pause(clock, pollMs, signal)
  }
}

/** Whether the runtime that serves a Dataset has no DataLoads. Fluid names it `thin` or `efc` there. */
function readsThrough(dataset: KubeObject): boolean {
  const types = listAt(dataset, 'status', 'runtimes').map((runtime) => stringAt(runtime, 'type'))
  return Object.values(runtimes).some(
    ({ kind, isLoadable }) => !isLoadable && types.includes(kind.replace(/Runtime$/, '').toLowerCase()),
  )
}

/** Prints the progress of a load until it ends. */
async function follow(
  { key, label, load }: { key: ObjectKey; label: string; load: KubeObject },
  { client, clock, timeoutMs, signal }: RefreshOptions,
  output: RefreshOutput,
): Promise<0 | 1> {
  const startedMs = clock.now()
  let printed = ''
  for (;;) {
    const phase = await currentPhase(client, key, load)
    const elapsedMs = clock.now() - startedMs
    if (phase.kind === 'warm') {
      say(output, `${label}: refreshed in ${formatDuration(elapsedMs)}`)
      return 0
    }
    if (phase.kind === 'failed') return say(output, `${label}: ${phase.message}`)
    if (signal.aborted) return say(output, `${label}: not waited for`)
    if (elapsedMs >= timeoutMs)
      return say(output, `${label}: not refreshed after ${formatDuration(timeoutMs)}`)
    const line = `${label}: ${describe(phase)}`
    if (line !== printed) say(output, line)
    printed = line
    await pause(clock, pollMs, signal)
  }
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

function describe(phase: Extract<CachePhase, { kind: 'warming' | 'pending' }>): string {
  if (phase.kind === 'pending') return phase.message
  return phase.progress === undefined ? 'loading' : `loading, ${describeProgress(phase.progress, undefined)}`
}
