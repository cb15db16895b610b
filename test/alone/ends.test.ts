import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resources } from '../../src/kube/resources.ts'
import { hasGate, hasSchedulingGate, isHeld } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { listAt, stringAt } from '../../src/values/object.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { freePorts } from '../cluster/ports.ts'
import { until } from '../cluster/until.ts'
import { eventuallyGone, isTrue, podsOf } from '../integration/await.ts'
import { namespace, policy, service, sklearn } from '../integration/services.ts'
import { MovableClock } from '../warmgate/clock.ts'
import { type LocalReplica, startLocalReplica } from '../warmgate/replica.ts'
import { type BareCluster, startBareCluster } from '../warmgate/test-cluster.ts'
import {
  binds,
  ends,
  failLoad,
  type HoldEnd,
  handovers,
  lateEnds,
  modelBytes,
  service as name,
  outcomeOf,
  smallBytes,
  soonEnds,
  withEnds,
} from './ends.ts'
import { HoldSuite } from './hold-suite.ts'
import { commands, remains, restorer, run, type Shell, warmgate } from './uninstall.ts'

/*
 * Every end of a hold, each in its own namespace and all in parallel, on a real API server and KServe.
 * Warmgate runs in this process, on a clock that the test advances. Each end is a row in docs/holds.md.
 */

const document = '../../docs/holds.md'
const deployment = resourceOf({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: {} })
const minuteMs = 60_000
// Services roll one after another, on a machine that may be busy.
const longMs = 5 * minuteMs
const all: Pick<HoldEnd, 'name' | 'hold'>[] = [...ends, ...soonEnds, ...lateEnds, ...handovers]
const clock = new MovableClock()
const replicas: LocalReplica[] = []
let bare: BareCluster
let holds: HoldSuite
/** The replica that serves the webhook. */
let webhook: LocalReplica
let leader: LocalReplica

beforeAll(async () => {
  const fluid = { bindMs: 5_000, pollMs: 300, syncMs: 500, deleteRetryMs: 300, bytesPerSecond: 1 }
  bare = await startBareCluster({ initContainerSeconds: 1, fluid: { ...fluid, modelBytes, binds, failLoad } })
  holds = new HoldSuite(bare)
  webhook = await startReplica(bare, 'first')
  leader = webhook
  await govern()
  await Promise.all(all.map((end) => holds.hold(end.name)))
})

afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.stop()))
  await bare?.stop()
})

/** Creates a policy for each namespace. The watch reports them in order. */
async function govern(): Promise<void> {
  const policies = all.map(({ name: ns, hold: settings = {} }) =>
    policy(ns, {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': ns } },
      hold: settings,
      warmup: { retries: 0 },
    }),
  )
  const namespaces = [...all.map((end) => end.name), 'ungoverned'].map((ns) => namespace(ns))
  await applyAll(bare.client, [...policies, ...namespaces])
  const last = all.at(-1)?.name ?? ''
  await until('the policies to govern', async () => {
    const [governed, not] = await Promise.all([last, 'ungoverned'].map((ns) => isAccelerated(ns)))
    return (governed && !not) || undefined
  })
}

async function isAccelerated(ns: string): Promise<boolean> {
  const probe = service(ns, 'probe', sklearn('s3://probe/model'))
  return cacheNames(await bare.client.create(resources.inferenceService, probe, { dryRun: true })).length > 0
}

async function startReplica(
  where: Pick<BareCluster, 'port' | 'probePort' | 'metricsPort'>,
  identity: string,
): Promise<LocalReplica> {
  const { kubeconfig } = bare
  const replica = await startLocalReplica({ ...where, kubeconfig }, { clock, identity })
  replicas.push(replica)
  return replica
}

test.each(all)(
  '$name: the pod waits, and takes no node where it is held from scheduling',
  async ({ name: ns, hold: settings }) => {
    const pod = holds.heldPod(ns)
    const isGated = settings?.at === 'Scheduling'
    expect([hasSchedulingGate(pod), hasGate(pod)]).toEqual([isGated, !isGated])
    if (isGated) expect(stringAt(await holds.podNow(ns), 'spec', 'nodeName')).toBeUndefined()
  },
)

test('another replica leads, and the first one restarts: every hold goes on', async () => {
  const [port = 0, probePort = 0, metricsPort = 0] = await freePorts(3)
  leader = await startReplica({ port, probePort, metricsPort }, 'second')
  await webhook.stop()
  // Before a third replica starts, because that one might become the leader first.
  await until(
    'the second to lead',
    async () => /^warmgate_leader 1$/m.test(await leader.metrics()) || undefined,
  )
  webhook = await startReplica(bare, 'third')
  for (const { name: ns } of all) expect(await holds.podNow(ns).then((pod) => pod && isHeld(pod))).toBe(true)
})

describe('as it happens', () => {
  beforeAll(async () => {
    await Promise.all(ends.map(({ name: ns, act }) => act?.(bare, ns)))
    // Caches with an endless model stay cold.
    bare.fluid.set({ bytesPerSecond: smallBytes })
  })

  test.each(ends)('$name: $what', (end) => holds.expectEnd(end))
  test.each(handovers)('$name: $what, and the hold ends when the cache is warm', async ({ name: ns }) => {
    await holds.expectEnd({ name: ns, outcome: { kind: 'released', reason: 'Warm', type: 'Normal' } })
  })
})

describe('a minute later', () => {
  beforeAll(async () => {
    await Promise.all(soonEnds.map(({ name: ns, act }) => act?.(bare, ns)))
    await eventuallyGone(bare.client, resources.inferenceService, { namespace: 'orphan', name })
    clock.advance(minuteMs)
  })

  test.each(soonEnds)('$name: $what', (end) => holds.expectEnd(end))
})

describe('after warmup.timeout', () => {
  beforeAll(() => clock.advance(30 * minuteMs))

  test.each(lateEnds)('$name: $what', (end) => holds.expectEnd(end))

  const kept = [...ends, ...soonEnds].filter(({ outcome }) => outcome.kind === 'kept')
  test.each(kept)('$name: onTimeout ends what onFailure kept', async ({ name: ns }) => {
    await holds.expectEnd({ name: ns, outcome: { kind: 'released', reason: 'TimedOut', type: 'Warning' } })
  })
})

test('each end is counted once, by its outcome', async () => {
  const counted = [
    ...(await leader.metrics()).matchAll(/_hold_duration_seconds_count\{outcome="(\w+)"\} (\d+)/g),
  ]
  const wanted = new Map<string, number>()
  for (const { outcome } of [...ends, ...soonEnds, ...lateEnds]) {
    const reason = outcomeOf(outcome)
    if (reason !== undefined) wanted.set(reason, (wanted.get(reason) ?? 0) + 1)
  }
  // The timeout ended holds that onFailure: Keep had continued; handed-over holds ended because the cache is
  // warm.
  wanted.set('TimedOut', (wanted.get('TimedOut') ?? 0) + 1)
  wanted.set('Warm', (wanted.get('Warm') ?? 0) + handovers.length)
  expect(new Map(counted.map(([, reason = '', count]) => [reason, Number(count)]))).toEqual(wanted)
})

describe('going back', () => {
  const left = ['unbound-keep', 'slow-revert']
  const byPod = 'warm-by-pod'
  let shell: Shell

  beforeAll(async () => {
    const { client } = bare
    shell = { bare, kubeconfig: await restorer(bare) }
    const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': byPod } }
    const spec = { namespaceSelector, rewrite: 'Pod', hold: { at: 'None' } }
    await applyAll(client, [policy(byPod, spec), namespace(byPod)])
    await until('a policy', () => client.get(resources.accelerationPolicy, { name: byPod }))
    await client.create(resources.inferenceService, service(byPod, name, sklearn('s3://models/by-pod')))
    await servedBy(byPod, 0)
  })

  /** A Ready pod with this number of storage initializers. */
  async function servedBy(ns: string, initializers: number): Promise<void> {
    await until(`a pod with ${initializers} storage initializers in ${ns}`, async () =>
      (await podsOf(bare.client, ns, name)).find(
        (pod) => isTrue(pod, 'Ready') && listAt(pod, 'spec', 'initContainers').length === initializers,
      ),
    )
  }

  test('one service, while Warmgate runs: it opts out, its pods roll, and its cache is deleted', async () => {
    expect(await warmgate(['restore', '-n', 'slow-serve', name, '--yes'], shell)).toMatch(
      /^opted out InferenceService slow-serve\/held\n(.*\n)*deleted cache/m,
    )
    await servedBy('slow-serve', 1)
  })

  test('if Warmgate was deleted, only restore --pods-only releases its pods', async () => {
    await Promise.all(replicas.map((replica) => replica.stop()))
    expect(await warmgate(['restore', '--pods-only', '-n', 'slow-keep', '--yes'], shell)).toMatch(
      /^released Pod .*\n$/,
    )
    await holds.expectRelease('slow-keep', { reason: 'NotHeld', type: 'Normal' })
    expect(isHeld((await holds.podNow('unbound-keep')) ?? holds.heldPod('removed'))).toBe(true)
    await Promise.all(
      all
        .filter((end) => !left.includes(end.name))
        .map((end) => bare.client.delete(resources.inferenceService, { namespace: end.name, name })),
    )
    // A pod without a service would keep its cache permanently.
    await bare.client.delete(deployment, { namespace: 'orphan', name: `${name}-predictor` })
  })

  test(
    'docs/uninstall.md, command by command: nothing is left, and every service is what its user wrote',
    async () => {
      for (const command of commands) await run(command, shell)
      await until('the end of all of it', async () => (await remains(bare)).length === 0 || undefined)
      for (const ns of [...left, byPod]) {
        await servedBy(ns, 1)
        const key = { namespace: ns, name }
        const uri = ns === byPod ? 's3://models/by-pod' : `s3://models/${ns}`
        const plain = await bare.client.create(
          resources.inferenceService,
          service(ns, 'plain', sklearn(uri)),
          { dryRun: true },
        )
        const restored = await bare.client.get(resources.inferenceService, key)
        expect(restored?.spec).toEqual(plain.spec)
        expect(restored?.metadata.annotations).toEqual(plain.metadata.annotations)
      }
    },
    longMs,
  )
})

test('docs/holds.md has a row for each end', async () => {
  const page = await readFile(new URL(document, import.meta.url), 'utf8')
  await expect(withEnds(page)).toMatchFileSnapshot(document)
})
