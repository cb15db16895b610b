import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/original.ts'
import { gateCondition, hasGate, hasSchedulingGate, isHeld } from '../../src/plan/pod.ts'
import { type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { freePorts } from '../cluster/ports.ts'
import { until } from '../cluster/until.ts'
import { MovableClock } from '../warmgate/clock.ts'
import { type LocalReplica, startLocalReplica } from '../warmgate/replica.ts'
import { type Ground, startGround } from '../warmgate/stage.ts'
import { eventuallyGone, isTrue, podsOf } from './await.ts'
import {
  binds,
  type End,
  ends,
  failLoad,
  lateEnds,
  modelBytes,
  service as name,
  outcomeOf,
  passages,
  smallBytes,
  soonEnds,
  withEnds,
} from './ends.ts'
import { namespace, policy, service, sklearn } from './services.ts'

/*
 * Every end of a hold, each in a namespace of its own and all of them at once, on the real API server and KServe. Warmgate
 * runs in this process, on a clock that is moved. What becomes of each is a row of docs/holds.md.
 */

const document = '../../docs/holds.md'
const minuteMs = 60_000
const all: Pick<End, 'name' | 'hold'>[] = [...ends, ...soonEnds, ...lateEnds, ...passages]
const clock = new MovableClock()
/** The pods that were held, by namespace. */
const held = new Map<string, KubeObject>()
let ground: Ground
/** Answers the webhook. */
let webhook: LocalReplica
let leader: LocalReplica

beforeAll(async () => {
  const fluid = { bindMs: 5_000, pollMs: 300, syncMs: 500, deleteRetryMs: 300, bytesPerSecond: 1 }
  ground = await startGround({ initContainerSeconds: 1, fluid: { ...fluid, modelBytes, binds, failLoad } })
  webhook = await startLocalReplica(ground, { clock, identity: 'first' })
  leader = webhook
  await govern()
  await Promise.all(all.map((end) => hold(end)))
})

afterAll(async () => {
  if (webhook !== leader) await leader?.stop()
  await webhook?.stop()
  await ground?.stop()
})

/** A policy for each namespace; they come by watch, and in order. */
async function govern(): Promise<void> {
  const policies = all.map(({ name: ns, hold: settings = {} }) =>
    policy(ns, {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': ns } },
      hold: settings,
      warmup: { retries: 0 },
    }),
  )
  const namespaces = [...all.map((end) => end.name), 'ungoverned'].map((ns) => namespace(ns))
  await applyAll(ground.client, [...policies, ...namespaces])
  const last = all.at(-1)?.name ?? ''
  await until('the policies to govern', async () => {
    const [governed, not] = await Promise.all([last, 'ungoverned'].map((ns) => isAccelerated(ns)))
    return (governed && !not) || undefined
  })
}

async function isAccelerated(ns: string): Promise<boolean> {
  const probe = service(ns, 'probe', sklearn('s3://probe/model'))
  return (
    cacheNames(await ground.client.create(resources.inferenceService, probe, { dryRun: true })).length > 0
  )
}

/** A service, and its pod that waits. */
async function hold(end: Pick<End, 'name'>): Promise<void> {
  const { client } = ground
  const ns = end.name
  const object = service(ns, name, sklearn(`s3://models/${ns}`))
  const admitted = await client.create(resources.inferenceService, object)
  expect(cacheNames(admitted)).toHaveLength(1)
  const isTold = (pod: KubeObject) => gateCondition(pod)?.status === 'False'
  held.set(ns, await until(`a held pod in ${ns}`, async () => (await podsOf(client, ns, name)).find(isTold)))
}

function heldPod(ns: string): KubeObject {
  const pod = held.get(ns)
  if (pod === undefined) throw new Error(`nothing was held in ${ns}`)
  return pod
}

/** As it is now. */
async function podNow(ns: string): Promise<KubeObject | undefined> {
  const before = heldPod(ns)
  const { name: podName = '', uid } = before.metadata
  const pod = await ground.client.get(resources.pod, { namespace: ns, name: podName })
  return pod?.metadata.uid === uid ? pod : undefined
}

async function event(ns: string, kind: string, reason: string): Promise<KubeObject> {
  return await until(`an Event ${reason} on the ${kind} of ${ns}`, async () => {
    const { items } = await ground.client.list(resources.event, { namespace: ns })
    const uid = kind === 'Pod' ? heldPod(ns).metadata.uid : undefined
    return items.find(
      (found) =>
        stringAt(found, 'reason') === reason &&
        stringAt(found, 'regarding', 'kind') === kind &&
        (uid === undefined || stringAt(found, 'regarding', 'uid') === uid),
    )
  })
}

async function expectEnd({ name: ns, outcome }: Pick<End, 'name' | 'outcome'>): Promise<void> {
  switch (outcome.kind) {
    case 'released':
      return await expectRelease(ns, outcome)
    case 'reverted':
      return await expectRevert(ns)
    case 'kept':
      return await expectKept(ns, outcome.reason)
    case 'gone':
      await until(`the end of the pod in ${ns}`, async () => (await podNow(ns)) === undefined || undefined)
  }
}

/** Where KServe replaces the pod, it may be gone before it is looked at: its Event stays. */
async function expectRelease(ns: string, { reason, type }: { reason: string; type: string }): Promise<void> {
  expect(stringAt(await event(ns, 'Pod', reason), 'type')).toBe(type)
  const pod = await until(`a pod that serves in ${ns}`, async () => {
    const now = await podNow(ns)
    return now === undefined || isTrue(now, 'Ready') ? { now } : undefined
  })
  if (pod.now === undefined) return
  expect(gateCondition(pod.now)).toMatchObject({ status: 'True', reason })
  expect(hasSchedulingGate(pod.now)).toBe(false)
}

async function expectRevert(ns: string): Promise<void> {
  expect(stringAt(await event(ns, 'Pod', 'Reverted'), 'type')).toBe('Warning')
  expect(stringAt(await event(ns, 'InferenceService', 'Reverted'), 'type')).toBe('Warning')
  const after = await ground.client.get(resources.inferenceService, { namespace: ns, name })
  expect(stringAt(after, 'spec', 'predictor', 'model', 'storageUri')).toMatch(/^(s3|oss):/)
  const pods = () => podsOf(ground.client, ns, name)
  const next = await until(`a pod with a storage initializer in ${ns}`, async () =>
    (await pods()).find((pod) => isTrue(pod, 'Ready') && listAt(pod, 'spec', 'initContainers').length === 1),
  )
  expect(hasGate(next)).toBe(false)
}

async function expectKept(ns: string, reason: string): Promise<void> {
  await until(`the reason ${reason} on the pod of ${ns}`, async () => {
    const pod = await podNow(ns)
    return (pod !== undefined && isHeld(pod) && gateCondition(pod)?.reason === reason) || undefined
  })
}

async function startAgain(
  where: Pick<Ground, 'port' | 'probePort'>,
  identity: string,
): Promise<LocalReplica> {
  return await startLocalReplica({ kubeconfig: ground.kubeconfig, ...where }, { clock, identity })
}

test.each(all)(
  '$name: the pod waits, and takes no node where it is held from scheduling',
  async ({ name: ns, hold: settings }) => {
    const pod = heldPod(ns)
    const isGated = settings?.at === 'Scheduling'
    expect([hasSchedulingGate(pod), hasGate(pod)]).toEqual([isGated, !isGated])
    if (isGated) expect(stringAt(await podNow(ns), 'spec', 'nodeName')).toBeUndefined()
  },
)

test('another replica leads, and the first one restarts: every hold goes on', async () => {
  const [port = 0, probePort = 0] = await freePorts(2)
  leader = await startAgain({ port, probePort }, 'second')
  await webhook.stop()
  webhook = await startAgain(ground, 'third')
  await until(
    'the second to lead',
    async () => /^warmgate_leader 1$/m.test(await leader.metrics()) || undefined,
  )
  for (const { name: ns } of all) expect(await podNow(ns).then((pod) => pod && isHeld(pod))).toBe(true)
})

describe('as it happens', () => {
  beforeAll(async () => {
    await Promise.all(ends.map(({ name: ns, happens }) => happens?.(ground, ns)))
    // What is endless stays cold all the same.
    ground.fluid.set({ bytesPerSecond: smallBytes })
  })

  test.each(ends)('$name: $what', expectEnd)
  test.each(passages)('$name: $what, and the hold ends when the cache is warm', async ({ name: ns }) => {
    await expectEnd({ name: ns, outcome: { kind: 'released', reason: 'Warm', type: 'Normal' } })
  })
})

describe('a minute later', () => {
  beforeAll(async () => {
    await Promise.all(soonEnds.map(({ name: ns, happens }) => happens?.(ground, ns)))
    await eventuallyGone(ground.client, resources.inferenceService, { namespace: 'orphan', name })
    clock.advance(minuteMs)
  })

  test.each(soonEnds)('$name: $what', expectEnd)
})

describe('after warmup.timeout', () => {
  beforeAll(() => clock.advance(30 * minuteMs))

  test.each(lateEnds)('$name: $what', expectEnd)

  const kept = [...ends, ...soonEnds].filter(({ outcome }) => outcome.kind === 'kept')
  test.each(kept)('$name: onTimeout ends what onFailure kept', async ({ name: ns }) => {
    await expectEnd({ name: ns, outcome: { kind: 'released', reason: 'TimedOut', type: 'Warning' } })
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
  // What onFailure kept, the timeout ended; what was handed over became warm.
  wanted.set('TimedOut', (wanted.get('TimedOut') ?? 0) + 1)
  wanted.set('Warm', (wanted.get('Warm') ?? 0) + passages.length)
  expect(new Map(counted.map(([, reason = '', count]) => [reason, Number(count)]))).toEqual(wanted)
})

test('docs/holds.md has a row for each end', async () => {
  const page = await readFile(new URL(document, import.meta.url), 'utf8')
  await expect(withEnds(page)).toMatchFileSnapshot(document)
})
