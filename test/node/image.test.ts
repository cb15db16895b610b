import { randomBytes, X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BuiltImage, buildImage, user } from '../../release/image.ts'
import { createClient } from '../../src/kube/http.ts'
import { resources } from '../../src/kube/resources.ts'
import { hasGate } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { createAuthority } from '../../src/tls/authority.ts'
import type { KeyPair } from '../../src/tls/issue.ts'
import { createServing } from '../../src/tls/serving.ts'
import {
  getIn,
  type KubeObject,
  listAt,
  type ObjectKey,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { type Cluster, startCluster, tunnelOf } from '../cluster/cluster.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { onNode } from '../docs/runs.ts'
import { openShell, type Shell } from '../docs/shell.ts'
import { type FluidStandIn, startFluid } from '../fluid/fluid.ts'
import { withComponents } from '../install/render.ts'
import { condition, isTrue, podsOf } from '../integration/await.ts'
import { custom, namespace, ossSecret, service, usesOssSecret } from '../integration/services.ts'
import { modelServer } from './images.ts'
import { leftovers } from './leftovers.ts'
import { type RealNode, startNode } from './node.ts'
import { missingRequirement } from './requirements.ts'

/* The image of a release, run by a real kubelet from manifests/base as it is, and called through its Service. */

const ns = 'models'
const own = { namespace: 'warmgate-system', labelSelector: 'app.kubernetes.io/name=warmgate' }
const model = randomBytes(2 ** 20)
const slowly = { bytesPerSecond: 1 }
const atOnce = { bytesPerSecond: 2 ** 40 }

const lacking = await missingRequirement()

describe.skipIf(lacking !== undefined)('the image on a real node', () => {
  let folder: string
  let image: BuiltImage
  let cluster: Cluster
  let client: ReturnType<typeof createClient>
  let fluid: FluidStandIn
  let node: RealNode
  let shell: Shell

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmgate-models-'))
    await writeFile(join(folder, 'model.bin'), model)
    image = await buildImage(join(folder, 'image'))
    // docs/install.md says 47 MiB.
    expect(image.bytes).toBeLessThan(50 * 2 ** 20)
    cluster = await startCluster({ nodes: 0, kserve: true })
    const { kubeConfig, dir } = cluster
    client = createClient(kubeConfig, { timeoutMs: 120_000 })
    node = await startNode({ name: 'real', kubeConfig, archives: [image.file], tunnel: tunnelOf(dir) })
    const quick = { bindMs: 200, pollMs: 200, syncMs: 200, deleteRetryMs: 300, hostPath: () => folder }
    fluid = await startFluid({ client, options: { ...quick, ...slowly } })
    shell = await openShell(cluster.kubeconfig, {})
    expect(await shell.run('make deploy')).toMatchObject({ status: 0 })
    await applyAll(client, [namespace(ns), ossSecret(ns)])
  })

  afterAll(async () => {
    await shell?.close()
    await node?.stop()
    await fluid?.stop()
    await client?.close()
    await cluster?.stop()
    await rm(folder, { recursive: true })
    if (node !== undefined) expect(leftovers(node)).toEqual([])
  })

  async function replicas(): Promise<KubeObject[]> {
    const { items } = await client.list(resources.pod, own)
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  }

  async function bothReady(): Promise<KubeObject[]> {
    return await until('two replicas that are ready', async () => {
      const found = await replicas()
      const states = found.map((pod) =>
        JSON.stringify(objectAt(pod, 'status').containerStatuses ?? pod.status),
      )
      if (found.length === 2 && found.every((pod) => isTrue(pod, 'Ready'))) return found
      throw new Error(states.join('\n'))
    })
  }

  async function create(name: string, annotations: { [key: string]: string } = {}): Promise<KubeObject> {
    const object = service(ns, name, custom(`oss://models/${name}`, modelServer), {
      ...usesOssSecret,
      ...annotations,
    })
    return await client.create(resourceOf(object), object)
  }

  async function podOf(name: string, wanted: (pod: KubeObject) => boolean): Promise<KubeObject> {
    return await until(`a pod of ${name}`, async () => (await podsOf(client, ns, name)).find(wanted))
  }

  function keyOf(object: KubeObject | undefined): ObjectKey {
    const { namespace: within = '', name = '' } = object?.metadata ?? {}
    return { namespace: within, name }
  }

  function storageUri(object: KubeObject): string | undefined {
    return stringAt(object, 'spec', 'predictor', 'containers', 0, 'env', 0, 'value')
  }

  test('two replicas run as the manifests say: numeric user and group, read-only, nothing else', async () => {
    const pods = await bothReady()
    for (const pod of pods) {
      const [status] = listAt(pod, 'status', 'containerStatuses')
      expect(getIn(status, 'user', 'linux')).toMatchObject({
        uid: user,
        gid: user,
        supplementalGroups: [user],
      })
      expect(getIn(status, 'restartCount')).toBe(0)
      expect(await node.logs(pod)).toMatch(/"startMs":\d+,.*"msg":"ready"/)
      expect(stringAt(status, 'image')).toBe(`docker.io/library/${image.name}`)
    }
  })

  test.each(onNode)('the docs: $command', async ({ command, prints }) => {
    const [pod] = await bothReady()
    const { status, text } = await shell.run(command.replace('POD', keyOf(pod).name))
    expect(text).toMatch(prints)
    expect(status, text).toBe(0)
  })

  test('the API server calls it by its Service: a pod is held until its cache is warm, and then serves', async () => {
    const admitted = await until('an accelerated service', async () => {
      const found = await create('bloom')
      if (cacheNames(found).length > 0) return found
      await client.delete(resourceOf(found), keyOf(found))
      throw new Error('it was not accelerated')
    })
    expect(storageUri(admitted)).toBe(`pvc://${cacheNames(admitted)[0]}`)
    const held = await podOf('bloom', (pod) => isTrue(pod, 'ContainersReady'))
    expect(condition(held, 'Ready')).toMatchObject({ status: 'False', reason: 'ReadinessGatesNotReady' })
    fluid.set(atOnce)
    const ready = await podOf('bloom', (pod) => isTrue(pod, 'Ready'))
    expect(ready.metadata.uid).toBe(held.metadata.uid)
    expect(condition(ready, 'warmgate.dev/cache-warm')).toMatchObject({ status: 'True', reason: 'Warm' })
    const { status, body } = await node.get(`http://${stringAt(ready, 'status', 'podIP')}:8080/`)
    expect([status, model.equals(body)]).toEqual([200, true])
  })

  test('a pod whose cache is warm waits for nothing, and an opt-out gives the manifest back', async () => {
    const scaled = await create('late', { 'warmgate.dev/hold': 'Readiness' })
    await podOf('late', (pod) => isTrue(pod, 'Ready'))
    const body = { metadata: { annotations: { 'warmgate.dev/acceleration': 'disabled' } } }
    const restored = await client.patch(resourceOf(scaled), keyOf(scaled), { type: 'merge', body })
    expect(storageUri(restored)).toBe('oss://models/late')
    const again = service(ns, 'bloom-2', custom('oss://models/bloom', modelServer), usesOssSecret)
    await client.create(resourceOf(again), again)
    expect(hasGate(await podOf('bloom-2', (pod) => isTrue(pod, 'Ready')))).toBe(false)
  })

  test("a certificate of the user's own Secret is served, and reloaded while serving", async () => {
    const nowMs = Date.now()
    const authority = await createAuthority({ nowMs, validDays: 30 })
    const names = { service: 'warmgate', namespace: own.namespace }
    const [first, second] = await Promise.all([0, 1].map(() => createServing({ authority, names, nowMs })))
    const secret = (pair: KeyPair | undefined): KubeObject => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'warmgate-serving', namespace: own.namespace },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': pair?.cert ?? '', 'tls.key': pair?.key ?? '', 'ca.crt': authority.cert },
    })
    const fingerprint = (pair: KeyPair | undefined) => new X509Certificate(pair?.cert ?? '').fingerprint256
    const objects = await withComponents(folder, ['certificate-secret'])
    await applyAll(client, [secret(first), ...objects.filter(({ kind }) => kind === 'Deployment')])
    const pods = await until('two replicas that serve it', async () => {
      const found = await bothReady()
      const served = await Promise.all(found.map(servedFingerprint))
      return served.every((each) => each === fingerprint(first)) ? found : undefined
    })
    expect(cacheNames(await create('own'))).toHaveLength(1)

    await applyAll(client, [secret(second)])
    // The kubelet updates a mount within a minute or two.
    await until(
      'two replicas that serve the new one',
      async () => {
        const served = await Promise.all(pods.map(servedFingerprint))
        return served.every((each) => each === fingerprint(second)) || undefined
      },
      { timeoutMs: 240_000 },
    )
    expect((await bothReady()).map(({ metadata }) => metadata.uid).toSorted()).toEqual(
      pods.map(({ metadata }) => metadata.uid).toSorted(),
    )
    expect(cacheNames(await create('renewed'))).toHaveLength(1)
  })

  /** Of the certificate that a replica serves. */
  async function servedFingerprint(pod: KubeObject): Promise<string> {
    const options = JSON.stringify({
      host: stringAt(pod, 'status', 'podIP'),
      port: 9443,
      rejectUnauthorized: false,
    })
    const print = 'process.stdout.write(this.getPeerCertificate().fingerprint256); this.end()'
    const script = `require('tls').connect(${options}, function () { ${print} })`
    return await node.run([process.execPath, '-e', script])
  }

  test('with one replica gone the other one answers, and a new one takes its place', async () => {
    const [first] = await bothReady()
    await client.delete(resources.pod, keyOf(first))
    const admitted = await create('after')
    expect(cacheNames(admitted)).toHaveLength(1)
    const pods = await bothReady()
    expect(pods.map(({ metadata }) => metadata.uid)).not.toContain(first?.metadata.uid)
  })
})
