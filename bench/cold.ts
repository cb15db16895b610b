import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { loadJobKey } from '../src/fluid/job.ts'
import { resources } from '../src/kube/resources.ts'
import { cacheNames } from '../src/plan/service/original.ts'
import { getIn, type JsonObject, type KubeObject, listAt, stringAt } from '../src/values/object.ts'
import { applyAll, hasCondition } from '../test/cluster/objects.ts'
import { podsOf } from '../test/integration/await.ts'
import { custom, namespace, ossSecret, service, usesOssSecret } from '../test/integration/services.ts'
import { modelServerImage } from '../test/node/images.ts'
import { startNode } from '../test/node/node.ts'
import { startTestCluster, type TestCluster } from '../test/warmgate/test-cluster.ts'
import { SlowVolume } from './slow-volume.ts'

/*
 * node bench/cold.ts: what a server does that starts during the warm-up of its cache, by where its pod is
 * held, on a real kubelet. The volume is imitated: a cold read and the warm-up share the speed of the source,
 * as long as both run.
 */

const mib = 2 ** 20
const modelBytes = 96 * mib
const sourcePerSecond = 8 * mib
const cachePerSecond = 200 * mib
const ns = 'models'
const quietMs = 60
const longestMs = 240_000

interface HoldSuite {
  name: string
  hold: 'Readiness' | 'Scheduling'
  /** How long the server's startup probe waits. */
  startupSeconds: number
}

const suites: HoldSuite[] = [
  { name: 'tiny', hold: 'Readiness', startupSeconds: 4 },
  { name: 'short', hold: 'Readiness', startupSeconds: 10 },
  { name: 'long', hold: 'Readiness', startupSeconds: 120 },
  { name: 'gated', hold: 'Scheduling', startupSeconds: 10 },
]

/** Seconds since the service was created. */
interface Times {
  bound?: number
  scheduled?: number
  warm?: number
  ready?: number
}

function server(startupSeconds: number): JsonObject {
  const probe = { httpGet: { path: '/', port: 8080 }, periodSeconds: 1, timeoutSeconds: 5 }
  return {
    image: modelServerImage.name,
    ports: [{ containerPort: 8080 }],
    startupProbe: { ...probe, failureThreshold: startupSeconds },
    readinessProbe: probe,
    resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { cpu: '1', memory: '512Mi' } },
  }
}

async function run(testCluster: TestCluster, volume: SlowVolume, holds: HoldSuite): Promise<string> {
  const { client, fluid } = testCluster
  const { name, hold, startupSeconds } = holds
  const annotations = { ...usesOssSecret, 'warmgate.dev/hold': hold }
  const startMs = Date.now()
  const object = service(ns, name, custom(`oss://models/${name}`, server(startupSeconds)), annotations)
  const [cache = ''] = cacheNames(await client.create(resources.inferenceService, object))
  const times: Times = {}
  let pod: KubeObject | undefined
  let coldBytes = 0
  for (;;) {
    const seconds = (Date.now() - startMs) / 1_000
    const [dataset, job, pods] = await Promise.all([
      client.get(resources.dataset, { namespace: ns, name: cache }),
      client.get(resources.job, loadJobKey({ namespace: ns, name: cache })),
      podsOf(client, ns, name),
    ])
    pod = pods[0]
    const seen = (what: keyof Times, isSo: boolean) => {
      if (isSo) times[what] ??= seconds
    }
    seen('bound', stringAt(dataset, 'status', 'phase') === 'Bound')
    seen('scheduled', hasCondition(pod, 'PodScheduled', 'True'))
    seen('warm', hasCondition(job, 'Complete', 'True'))
    seen('ready', hasCondition(pod, 'Ready', 'True'))
    if (times.warm !== undefined) isWarm.add(name)
    if (times.warm === undefined) coldBytes = volume.readBytes
    // The warm-up and the server share the speed of the source.
    fluid.set({ bytesPerSecond: volume.isRead ? sourcePerSecond / 2 : sourcePerSecond })
    if (times.ready !== undefined || seconds * 1_000 > longestMs) break
    await pause(quietMs)
  }
  const restarts = listAt(pod, 'status', 'containerStatuses').map((each) => getIn(each, 'restartCount'))
  await client.delete(resources.inferenceService, { namespace: ns, name })
  return row(holds, times, { restarts: Number(restarts[0] ?? 0), coldMib: Math.round(coldBytes / mib) })
}

function row(
  { hold, startupSeconds }: HoldSuite,
  { bound = Number.NaN, scheduled = Number.NaN, warm = Number.NaN, ready = Number.NaN }: Times,
  { restarts, coldMib }: { restarts: number; coldMib: number },
): string {
  const s = (seconds: number) => `${seconds.toFixed(1)} s`
  const cells = [
    `\`${hold}\`, ${startupSeconds} s`,
    s(bound),
    s(warm),
    s(ready),
    s(ready - warm),
    s(ready - scheduled),
    String(restarts),
    `${coldMib} MiB`,
  ]
  return `| ${cells.join(' | ')} |`
}

const isWarm = new Set<string>()
const folder = await mkdtemp(join(tmpdir(), 'warmgate-cold-'))
const volumes = new Map(
  suites.map(({ name }) => {
    const bytesPerSecond = () => (isWarm.has(name) ? cachePerSecond : sourcePerSecond / 2)
    return [name, new SlowVolume(join(folder, name), { modelBytes, bytesPerSecond })] as const
  }),
)
const volumeOf = (dataset: KubeObject) => {
  const mount = listAt(dataset, 'spec', 'mounts').map((each) => stringAt(each, 'mountPoint') ?? '')[0] ?? ''
  return [...volumes.entries()].find(([name]) => mount.includes(`/${name}`))?.[1]
}
const fluid = { bindMs: 2_000, pollMs: 200, syncMs: 200, deleteRetryMs: 300, bytesPerSecond: sourcePerSecond }
const testCluster = await startTestCluster({
  nodes: 0,
  initContainerSeconds: 0,
  fluid: { ...fluid, modelBytes: () => modelBytes, hostPath: (dataset) => volumeOf(dataset)?.folder },
  progress: (line) => process.stderr.write(`${line}\n`),
})
const node = await startNode({ name: 'real', kubeConfig: testCluster.cluster.kubeConfig })
try {
  await applyAll(testCluster.client, [namespace(ns), ossSecret(ns)])
  process.stdout.write(
    '| hold, startup probe | Bound | warm | Ready | after warm | on the node | killed | read cold |\n',
  )
  process.stdout.write('| --- | --- | --- | --- | --- | --- | --- | --- |\n')
  for (const holds of suites) {
    const volume = volumes.get(holds.name)
    if (volume === undefined) throw new Error(`no volume for ${holds.name}`)
    await volume.start()
    process.stdout.write(`${await run(testCluster, volume, holds)}\n`)
    await volume.stop()
  }
} finally {
  await node.stop()
  await testCluster.stop()
  await rm(folder, { recursive: true })
}
