import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { KubeClient } from '../src/kube/client.ts'
import { createClient } from '../src/kube/http.ts'
import { Reflector } from '../src/kube/reflector.ts'
import { type Resource, resources } from '../src/kube/resources.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { systemClock } from '../src/values/clock.ts'
import { keyOf } from '../src/values/object.ts'
import { startCluster } from '../test/cluster/cluster.ts'
import { until } from '../test/cluster/until.ts'
import { completion, heldScene, isReleased } from './held.ts'

export interface ReleaseRow {
  pods: number
  /** From the Job's completion seen on a watch to the pod's condition seen on another, in milliseconds. */
  p50Ms: number
  p99Ms: number
  lastMs: number
}

/**
 * How long holds outlive what they wait for, at each number of pods, on a real API server. Warmgate's controller is a
 * process of its own; the two watches that are compared are this one's, so that what a watch takes counts on both.
 */
export async function benchRelease(sizes: number[]): Promise<ReleaseRow[]> {
  const cluster = await startCluster({ nodes: 0 })
  const client = createClient(cluster.kubeConfig)
  const file = fileURLToPath(new URL('release.child.ts', import.meta.url))
  const child = fork(file, { env: { ...process.env, KUBECONFIG: cluster.kubeconfig } })
  try {
    const rows: ReleaseRow[] = []
    for (const size of sizes) rows.push(await measure(client, size))
    return rows
  } finally {
    await end(child)
    await client.close()
    await cluster.stop()
  }
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.disconnect()
  await exited
}

async function measure(client: KubeClient, size: number): Promise<ReleaseRow> {
  const namespace = `held-${size}`
  const job = await heldScene(client, namespace, size)
  const seen = new Map<string, number>()
  const watches = [follow(client, resources.job, namespace), follow(client, resources.pod, namespace)]
  const [jobs, pods] = watches
  await Promise.all(watches.map((watch) => watch.synced))
  // Every pod has been told that it waits.
  await until(
    `${size} pods that wait`,
    async () => pods?.list().every((pod) => isReleased(pod) === false) || undefined,
  )
  let completeMs = 0
  jobs?.onChange(() => {
    completeMs ||= performance.now()
  })
  pods?.onChange(({ object }) => {
    const name = object.metadata.name ?? ''
    if (isReleased(object) && !seen.has(name)) seen.set(name, performance.now())
  })
  const patch = { type: 'merge' as const, body: { status: completion() } }
  await client.patch(resources.job, keyOf(job), patch, { subresource: 'status' })
  await until(`${size} released pods`, async () => seen.size === size || undefined)
  await Promise.all(watches.map((watch) => watch.stop()))
  await client.delete(resources.namespace, { name: namespace })
  const latencies = [...seen.values()].map((ms) => ms - completeMs).toSorted((a, b) => a - b)
  const at = (share: number) => latencies[Math.ceil(latencies.length * share) - 1] ?? Number.NaN
  return { pods: size, p50Ms: at(0.5), p99Ms: at(0.99), lastMs: at(1) }
}

function follow(client: KubeClient, resource: Resource, namespace: string): Reflector {
  const logger = createLogger('silent')
  const watch = new Reflector({ client, clock: systemClock, logger, resource, select: { namespace } })
  watch.start()
  return watch
}

export function formatReleases(rows: ReleaseRow[]): string {
  const lines = rows.map(
    ({ pods, p50Ms, p99Ms, lastMs }) =>
      `| ${pods} | ${p50Ms.toFixed(0)} | ${p99Ms.toFixed(0)} | ${lastMs.toFixed(0)} |`,
  )
  return `${['| held pods | p50, ms | p99, ms | last, ms |', '| ---: | ---: | ---: | ---: |', ...lines].join('\n')}\n`
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { pods: { type: 'string', default: '1,100,1000' } } })
  process.stdout.write(formatReleases(await benchRelease(values.pods.split(',').map(Number))))
}
