import { runtimeResources } from '../cluster/runtimes.ts'
import { Speeds } from '../cluster/speeds.ts'
import { type CacheStatus, formatStatus, type StatusObjects, statusOf } from '../cluster/status.ts'
import { fillJobSelector } from '../fill/job.ts'
import { loadJobSelector } from '../fluid/job.ts'
import { cachePodSelector } from '../fluid/suspension.ts'
import { llmSelector, serviceLabel } from '../kserve/pod.ts'
import type { KubeClient } from '../kube/client.ts'
import { listInstalled } from '../kube/list.ts'
import { llmInferenceService, type Resource, resources } from '../kube/resources.ts'
import { type Clock, pause } from '../values/clock.ts'
import type { KubeObject } from '../values/object.ts'
import type { Streams } from './terminal.ts'

export interface StatusOptions {
  client: KubeClient
  clock: Clock
  /** Undefined for all. */
  namespace: string | undefined
  /** Print repeatedly until the signal aborts. */
  watch: boolean
  signal: AbortSignal
}

const pollMs = 2_000
const clearScreen = '\x1b[2J\x1b[H'

/** `warmgate status`: lists caches, how full they are, and the pods that wait for them. */
export async function runStatus(
  options: StatusOptions,
  { stdout }: Pick<Streams, 'stdout'>,
): Promise<number> {
  const { clock, watch, signal } = options
  const speeds = new Speeds(clock)
  for (;;) {
    const caches = statusOf(await read(options), clock.now()).map((cache) => estimated(cache, speeds))
    stdout.write(`${watch ? clearScreen : ''}${formatStatus(caches)}`)
    if (!watch) return 0
    await pause(clock, pollMs, signal)
    if (signal.aborted) return 0
  }
}

/** Adds the remaining time of warm-ups, once two observations give their speed. */
function estimated(cache: CacheStatus, speeds: Speeds): CacheStatus {
  speeds.observe(cache, cache.phase)
  return { ...cache, phase: speeds.estimate(cache, cache.phase) }
}

async function read({ client, namespace, signal }: StatusOptions): Promise<StatusObjects> {
  const list = async (resource: Resource, labelSelector?: string): Promise<KubeObject[]> => {
    const select = { ...(namespace && { namespace }), ...(labelSelector && { labelSelector }), signal }
    return await listInstalled(client, resource, select)
  }
  // Use the oldest version, because every KServe with this kind serves it.
  const [services, llmServices, datasets, dataLoads, loadJobs, fillJobs, pods, llmPods, gatedPods] =
    await Promise.all([
      list(resources.inferenceService),
      list(llmInferenceService('v1alpha1')),
      list(resources.dataset),
      list(resources.dataLoad),
      list(resources.job, loadJobSelector),
      list(resources.job, fillJobSelector),
      list(resources.pod, serviceLabel),
      list(resources.pod, llmSelector),
      list(resources.pod, cachePodSelector),
    ])
  const runtimes = await Promise.all(Object.values(runtimeResources).map((resource) => list(resource)))
  return {
    services: [...services, ...llmServices],
    datasets,
    runtimes: runtimes.flat(),
    dataLoads,
    loadJobs,
    fillJobs,
    gatedPods,
    pods: [...pods, ...llmPods],
  }
}
