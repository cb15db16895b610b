import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resources } from '../../src/kube/resources.ts'
import { hasGate } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { getIn, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { freePorts } from '../cluster/ports.ts'
import { until } from '../cluster/until.ts'
import { condition, isTrue, podsOf } from '../integration/await.ts'
import { custom, namespace, ossSecret, service, usesOssSecret } from '../integration/services.ts'
import { startWarmgate } from '../warmgate/process.ts'
import { startTestCluster, type TestCluster } from '../warmgate/test-cluster.ts'
import { modelServer } from './images.ts'
import { leftovers } from './leftovers.ts'
import { type RealNode, startNode } from './node.ts'
import { missingRequirement } from './requirements.ts'

const endpointSlice = resourceOf({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {},
})
const ns = 'models'
const model = randomBytes(2 ** 20)
const slowly = { bytesPerSecond: 1 }
const atOnce = { bytesPerSecond: 2 ** 40 }

const lacking = await missingRequirement()

describe.skipIf(lacking !== undefined)('a hold on a real node', () => {
  let models: string
  let testCluster: TestCluster
  let node: RealNode

  beforeAll(async () => {
    models = await mkdtemp(join(tmpdir(), 'warmgate-models-'))
    await writeFile(join(models, 'model.bin'), model)
    const fluid = { bindMs: 200, pollMs: 200, syncMs: 200, deleteRetryMs: 300, hostPath: () => models }
    testCluster = await startTestCluster({
      nodes: 0,
      initContainerSeconds: 0,
      fluid: { ...fluid, ...slowly },
    })
    node = await startNode({ name: 'real', kubeConfig: testCluster.cluster.kubeConfig })
    await applyAll(testCluster.client, [namespace(ns), ossSecret(ns)])
  })

  afterAll(async () => {
    await node?.stop()
    await testCluster?.stop()
    await rm(models, { recursive: true })
    if (node !== undefined) expect(leftovers(node)).toEqual([])
  })

  async function create(name: string, location: string, annotations = {}): Promise<KubeObject> {
    const object = service(ns, name, custom(location, modelServer), { ...usesOssSecret, ...annotations })
    const admitted = await testCluster.client.create(resourceOf(object), object)
    const [cache] = cacheNames(admitted)
    expect(stringAt(admitted, 'spec', 'predictor', 'containers', 0, 'env', 0, 'value')).toBe(`pvc://${cache}`)
    return admitted
  }

  async function podOf(name: string, wanted: (pod: KubeObject) => boolean): Promise<KubeObject> {
    return await until(
      `a pod of ${name}`,
      async () => (await podsOf(testCluster.client, ns, name)).find(wanted),
      {
        hint: `See ${node.dir}/kubelet.log`,
      },
    )
  }

  /**
   * The container is up and its probe passes, and yet kubelet does not call the pod ready: our gate is
   * closed.
   */
  async function heldPod(name: string): Promise<KubeObject> {
    const pod = await podOf(name, (found) => isTrue(found, 'ContainersReady'))
    expect(condition(pod, 'Ready')).toMatchObject({ status: 'False', reason: 'ReadinessGatesNotReady' })
    expect(stringAt(condition(pod, 'warmgate.dev/cache-warm'), 'status')).toBe('False')
    return pod
  }

  async function warmedUp(): Promise<void> {
    await until('the warm-up to end', async () => {
      const { items } = await testCluster.client.list(resources.dataLoad, { namespace: ns })
      return items.every((load) => stringAt(load, 'status', 'phase') === 'Complete') || undefined
    })
  }

  async function leads(metricsUrl: string): Promise<boolean> {
    return /^warmgate_leader 1$/m.test(await (await fetch(`${metricsUrl}/metrics`)).text())
  }

  /** The addresses of the Service for clients: which get traffic, and which do not yet. */
  async function addresses(name: string): Promise<{ ready: string[]; waiting: string[] }> {
    const labelSelector = `kubernetes.io/service-name=${name}-predictor`
    const { items } = await testCluster.client.list(endpointSlice, { namespace: ns, labelSelector })
    const endpoints = items.flatMap((slice) => listAt(slice, 'endpoints'))
    const those = (isReady: boolean) =>
      endpoints
        .filter((endpoint) => getIn(endpoint, 'conditions', 'ready') === isReady)
        .flatMap((endpoint) => listAt(endpoint, 'addresses') as string[])
    return { ready: those(true), waiting: those(false) }
  }

  async function served(pod: KubeObject): Promise<Buffer> {
    const { status, body } = await node.get(`http://${stringAt(pod, 'status', 'podIP')}:8080/`)
    expect(status).toBe(200)
    return body
  }

  async function expectTraffic(name: string, pod: KubeObject): Promise<void> {
    const address = stringAt(pod, 'status', 'podIP') ?? ''
    await until(
      `traffic to ${name}`,
      async () => (await addresses(name)).ready.includes(address) || undefined,
    )
  }

  test('the pod runs and gets no traffic until its cache is warm; then it serves the model of its volume', async () => {
    testCluster.fluid.set(slowly)
    await create('held', 'oss://models/held')
    const held = await heldPod('held')
    expect(stringAt(held, 'spec', 'nodeName')).toBe('real')
    const address = stringAt(held, 'status', 'podIP')
    await until('the Service to know the pod', async () =>
      (await addresses('held')).waiting.includes(address ?? '') ? true : undefined,
    )
    expect((await addresses('held')).ready).toEqual([])

    testCluster.fluid.set(atOnce)
    const ready = await podOf('held', (pod) => isTrue(pod, 'Ready'))
    expect(ready.metadata.uid).toBe(held.metadata.uid)
    expect(condition(ready, 'warmgate.dev/cache-warm')).toMatchObject({ status: 'True', reason: 'Warm' })
    await expectTraffic('held', ready)
    expect(model.equals(await served(ready))).toBe(true)
  })

  test('the controller is killed in the middle, and another replica ends the hold', async () => {
    testCluster.fluid.set(slowly)
    const [port = 0, probePort = 0, metricsPort = 0] = await freePorts(3)
    const other = await startWarmgate({ ...testCluster, port, probePort, metricsPort, name: 'warmgate-1' })
    try {
      await create('orphaned', 'oss://models/orphaned')
      await heldPod('orphaned')
      await testCluster.warmgate.kill()
      testCluster.fluid.set(atOnce)
      await warmedUp()
      const ready = await podOf('orphaned', (pod) => isTrue(pod, 'Ready'))
      expect(condition(ready, 'warmgate.dev/cache-warm')).toMatchObject({ status: 'True', reason: 'Warm' })
      expect(await leads(other.metricsUrl)).toBe(true)
      await expectTraffic('orphaned', ready)
      expect(model.equals(await served(ready))).toBe(true)
    } finally {
      await other.stop()
      await testCluster.restartWarmgate()
    }
  })

  test('the only controller is killed in the middle, and the hold ends when it is back', async () => {
    testCluster.fluid.set(slowly)
    await create('alone', 'oss://models/alone')
    await heldPod('alone')
    await testCluster.warmgate.kill()
    testCluster.fluid.set(atOnce)
    await warmedUp()
    await heldPod('alone')
    expect((await addresses('alone')).ready).toEqual([])

    await testCluster.restartWarmgate()
    const ready = await podOf('alone', (pod) => isTrue(pod, 'Ready'))
    expect(condition(ready, 'warmgate.dev/cache-warm')).toMatchObject({ status: 'True', reason: 'Warm' })
  })

  test('a pod of a cache that is warm waits for nothing', async () => {
    await create('late', 'oss://models/held')
    const ready = await podOf('late', (pod) => isTrue(pod, 'Ready'))
    expect(hasGate(ready)).toBe(false)
    expect(condition(ready, 'warmgate.dev/cache-warm')).toBeUndefined()
    await expectTraffic('late', ready)
    expect(model.equals(await served(ready))).toBe(true)
  })

  test('a hold at scheduling keeps the pod off the node until the cache is warm', async () => {
    testCluster.fluid.set(slowly)
    await create('gated', 'oss://models/gated', { 'warmgate.dev/hold': 'Scheduling' })
    const gated = await podOf('gated', (pod) => condition(pod, 'PodScheduled') !== undefined)
    expect(condition(gated, 'PodScheduled')).toMatchObject({ status: 'False', reason: 'SchedulingGated' })
    await until('the cache to be Bound', async () => {
      const { items } = await testCluster.client.list(resources.dataset, { namespace: ns })
      return items.every((dataset) => stringAt(dataset, 'status', 'phase') === 'Bound') || undefined
    })
    const waiting = await podOf('gated', () => true)
    expect(stringAt(waiting, 'spec', 'nodeName')).toBeUndefined()

    testCluster.fluid.set(atOnce)
    const ready = await podOf('gated', (pod) => isTrue(pod, 'Ready'))
    expect(ready.metadata.uid).toBe(gated.metadata.uid)
    expect(stringAt(ready, 'spec', 'nodeName')).toBe('real')
    await expectTraffic('gated', ready)
    expect(model.equals(await served(ready))).toBe(true)
  })

  test('a second node leaves nothing on this machine if its owner is killed', async () => {
    const file = fileURLToPath(new URL('./survival.owner.ts', import.meta.url))
    const owner = fork(file, [testCluster.cluster.kubeconfig], { execArgv: [] })
    const [orphan] = (await once(owner, 'message')) as [RealNode]
    expect(leftovers(orphan)).toEqual(expect.arrayContaining([expect.stringMatching(/^process /)]))
    owner.kill('SIGKILL')
    await until('the end of the node', async () => leftovers(orphan).length === 0 || undefined)
    expect(leftovers(node)).not.toEqual([])
  })
})
