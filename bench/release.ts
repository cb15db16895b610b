import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { holdConcurrency } from '../src/controller/controller.ts'
import type { KubeClient } from '../src/kube/client.ts'
import { createClient } from '../src/kube/http.ts'
import { Reflector } from '../src/kube/reflector.ts'
import { type Resource, resources } from '../src/kube/resources.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { systemClock } from '../src/values/clock.ts'
import { type KubeObject, keyOf } from '../src/values/object.ts'
import { type Cluster, startCluster } from '../test/cluster/cluster.ts'
import { until } from '../test/cluster/until.ts'
import { bareWrite, completion, heldFixture, isReleased, servicePods } from './held.ts'

/** From the Job's completion seen on a watch to the pods' conditions seen on another, in milliseconds. */
interface Latency {
  p50Ms: number
  p99Ms: number
}

export interface ReleaseRow {
  pods: number
  warmgate: Latency
  /** A client that knows beforehand what it will write. */
  bare: Latency
  /** The ratio of both p99, in the median round. */
  ratio: number
}

/** A client that opens the gates, and how to start it. */
interface Releaser {
  name: string
  labels: { [key: string]: string }
  prepare(pods: KubeObject[]): Promise<void>
  release(): Promise<void>
}

/**
 * Measures the time from a warm cache to the release of its pods, for each number of pods, on a real API
 * server. Warmgate's controller and the minimal client are separate processes and run alternately. Both are
 * measured with watches of this process, so that the cost of a watch counts for both.
 */
export async function benchRelease(sizes: number[], rounds: number): Promise<ReleaseRow[]> {
  const cluster = await startCluster({ nodes: 0 })
  const client = createClient(cluster.kubeConfig)
  const [controller, bare] = ['release.child.ts', 'bare.child.ts'].map((file) => start(cluster, file))
  try {
    if (controller === undefined || bare === undefined) throw new Error('no children')
    await once(bare, 'message')
    const releasers = [warmgate(), bareClient(bare)]
    const rows: ReleaseRow[] = []
    for (const size of sizes) {
      const seen: Latency[][] = []
      for (let round = 0; round < rounds; round++) {
        const taken: Latency[] = []
        for (const releaser of releasers)
          taken.push(
            await measure(client, releaser, { size, namespace: `${releaser.name}-${size}-${round}` }),
          )
        seen.push(taken)
      }
      rows.push(middle(size, seen))
    }
    return rows
  } finally {
    await Promise.all([controller, bare].map((child) => child && end(child)))
    await client.close()
    await cluster.stop()
  }
}

function start({ kubeconfig }: Cluster, file: string): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), {
    env: { ...process.env, KUBECONFIG: kubeconfig },
  })
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.disconnect()
  await exited
}

function warmgate(): Releaser {
  return { name: 'warmgate', labels: servicePods, prepare: async () => {}, release: async () => {} }
}

function bareClient(child: ChildProcess): Releaser {
  const ask = async (message: object) => {
    const done = once(child, 'message')
    child.send(message)
    await done
  }
  const release = () => ask({ parallel: holdConcurrency })
  return {
    name: 'bare',
    labels: { app: 'bare' },
    async prepare(pods) {
      await ask({ writes: pods.map((pod) => bareWrite(pod, false)) })
      await release()
      await ask({ writes: pods.map((pod) => bareWrite(pod, true)) })
    },
    release,
  }
}

async function measure(
  client: KubeClient,
  { labels, prepare, release }: Releaser,
  { size, namespace }: { size: number; namespace: string },
): Promise<Latency> {
  const job = await heldFixture(client, { namespace, pods: size, labels })
  const seen = new Map<string, number>()
  const [jobs, pods] = [follow(client, resources.job, namespace), follow(client, resources.pod, namespace)]
  await Promise.all([jobs.synced, pods.synced])
  await prepare(pods.list())
  // Every pod has a condition that says that it waits.
  const wait = async () => pods.list().every((pod) => isReleased(pod) === false) || undefined
  await until(`${size} pods that wait`, wait, { timeoutMs: 180_000 })
  let completeMs = 0
  let released: Promise<void> | undefined
  jobs.onChange(() => {
    completeMs ||= performance.now()
    released ??= release()
  })
  pods.onChange(({ object }) => {
    const name = object.metadata.name ?? ''
    if (isReleased(object) && !seen.has(name)) seen.set(name, performance.now())
  })
  const patch = { type: 'merge' as const, body: { status: completion() } }
  await client.patch(resources.job, keyOf(job), patch, { subresource: 'status' })
  const all = async () => seen.size === size || undefined
  await until(`${size} released pods`, all, { timeoutMs: 180_000 })
  await released
  await Promise.all([jobs.stop(), pods.stop()])
  await remove(client, namespace)
  const latencies = [...seen.values()].map((ms) => ms - completeMs).toSorted((a, b) => a - b)
  const at = (share: number) => latencies[Math.ceil(latencies.length * share) - 1] ?? Number.NaN
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}

/** Waits for the deletion, because remaining objects would disturb the next round. */
async function remove(client: KubeClient, namespace: string): Promise<void> {
  await client.delete(resources.namespace, { name: namespace })
  const isEmpty = async () =>
    (await client.list(resources.pod, { namespace })).items.length === 0 || undefined
  await until(`no pods in ${namespace}`, isEmpty, { timeoutMs: 180_000 })
}

function follow(client: KubeClient, resource: Resource, namespace: string): Reflector {
  const logger = createLogger('silent')
  const watch = new Reflector({ client, clock: systemClock, logger, resource, select: { namespace } })
  watch.start()
  return watch
}

/** The round in the middle, by its ratio: on a busy machine a round may be twice as long as the next. */
function middle(pods: number, rounds: Latency[][]): ReleaseRow {
  const rows = rounds.flatMap(([warmgate, bare]) =>
    warmgate && bare ? { pods, warmgate, bare, ratio: warmgate.p99Ms / bare.p99Ms } : [],
  )
  const row = rows.toSorted((a, b) => a.ratio - b.ratio)[Math.floor(rows.length / 2)]
  if (row === undefined) throw new Error('no round was measured')
  return row
}

export function formatReleases(rows: ReleaseRow[]): string {
  const ms = ({ p50Ms, p99Ms }: Latency) => `${p50Ms.toFixed(0)} | ${p99Ms.toFixed(0)}`
  const lines = rows.map(
    ({ pods, warmgate, bare, ratio }) => `| ${pods} | ${ms(warmgate)} | ${ms(bare)} | ${ratio.toFixed(2)} |`,
  )
  const head = '| held pods | p50, ms | p99, ms | bare client: p50, ms | p99, ms | ratio |'
  return `${[head, '| ---: | ---: | ---: | ---: | ---: | ---: |', ...lines].join('\n')}\n`
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      pods: { type: 'string', default: '1,100,1000' },
      rounds: { type: 'string', default: '3' },
    },
  })
  const sizes = values.pods.split(',').map(Number)
  process.stdout.write(formatReleases(await benchRelease(sizes, Number(values.rounds))))
}
