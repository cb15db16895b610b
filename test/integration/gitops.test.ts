import { type KubernetesObject, KubernetesObjectApi, PatchStrategy } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { type Json, type JsonObject, type KubeObject, objectAt, stringAt } from '../../src/values/object.ts'
import { applyAll, readObjects, resourceOf } from '../cluster/objects.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { applyPolicy, isTrue, podsOf, podWith, readyPod } from './await.ts'
import { custom, namespace, ossSecret, policyOf, service, usesOssSecret } from './services.ts'

/*
 * How Argo CD and Flux look at a rewritten service. Both ask the API server for a dry run of a server-side apply of
 * what is in Git, which passes through Warmgate, and compare the answer with the live object: Argo CD in
 * gitops-engine's serverSideDiff, Flux in fluxcd/pkg/ssa's HasDrifted. Argo CD's older diff compares Git itself.
 */

const tools = [
  { name: 'Argo CD', manager: 'argocd-controller' },
  { name: 'Flux', manager: 'kustomize-controller' },
]
let testCluster: SharedCluster

beforeAll(async () => {
  const fluid = { bindMs: 200, pollMs: 200, syncMs: 200, modelBytes: () => 2 ** 30, bytesPerSecond: 1 }
  testCluster = await joinTestCluster('gitops', fluid)
})

afterAll(async () => {
  await testCluster?.stop()
})

interface Sync {
  manager: string
  dryRun?: boolean
}

async function sync(manifest: KubeObject, { manager, dryRun = false }: Sync): Promise<KubeObject> {
  const api = KubernetesObjectApi.makeApiClient(testCluster.cluster.kubeConfig)
  const ssa = PatchStrategy.ServerSideApply
  const body = manifest as unknown as KubernetesObject
  const answer: unknown = await api.patch(body, undefined, dryRun ? 'All' : undefined, manager, true, ssa)
  return answer as KubeObject
}

async function live(ns: string): Promise<KubeObject> {
  const found = await testCluster.client.get(resources.inferenceService, { namespace: ns, name: 'bloom' })
  if (found === undefined) throw new Error(`no service in ${ns}`)
  return found
}

/** What is compared. A no-op keeps the resource version, too. */
function compared(object: KubeObject): JsonObject {
  const { creationTimestamp: _, managedFields: __, ...metadata } = object.metadata
  return { ...object, metadata: metadata as JsonObject, status: {} }
}

/** KServe may write the service between the two reads, so they are repeated; a real difference stays. */
async function expectInSync(manifest: KubeObject, manager: string): Promise<void> {
  await vi.waitFor(() => compareOnce(manifest, manager), { timeout: 20_000, interval: 500 })
}

async function compareOnce(manifest: KubeObject, manager: string): Promise<void> {
  const [predicted, stored] = await Promise.all([
    sync(manifest, { manager, dryRun: true }),
    live(manifest.metadata.namespace ?? ''),
  ])
  // The status, and with it the resource version, may have changed between the two.
  const { resourceVersion: _, ...after } = objectAt(compared(predicted), 'metadata')
  const { resourceVersion: __, ...before } = objectAt(compared(stored), 'metadata')
  expect({ ...compared(predicted), metadata: after }).toEqual({ ...compared(stored), metadata: before })
}

async function opened(ns: string, spec: JsonObject = {}): Promise<void> {
  await applyAll(testCluster.client, [namespace(ns), ossSecret(ns)])
  await applyPolicy(testCluster.client, policyOf(ns, spec))
}

const inGit = (ns: string, uri = 'oss://models/bloom', more: JsonObject = {}) => {
  const { annotations, ...metadata } = service(ns, 'bloom', custom(uri, more), usesOssSecret).metadata
  return { ...service(ns, 'bloom', custom(uri, more)), metadata: { ...metadata, annotations } } as KubeObject
}

describe.each(tools)('$name', ({ name, manager }) => {
  const ns = `gitops-${name.toLowerCase().replace(' ', '')}`

  test('a rewritten service stays in sync, while its pod is held and after, and a sync rolls nothing', async () => {
    await opened(ns)
    const manifest = inGit(ns)
    const created = await sync(manifest, { manager })
    expect(cacheNames(created)).toHaveLength(1)
    await podWith(testCluster.client, { namespace: ns, name: 'bloom' }, (pod) =>
      isTrue(pod, 'ContainersReady'),
    )
    await expectInSync(manifest, manager)
    testCluster.fluid.set({ bytesPerSecond: 2 ** 40 })
    await readyPod(testCluster.client, { namespace: ns, name: 'bloom' })
    await expectInSync(manifest, manager)
    const { generation } = (await live(ns)).metadata
    const synced = await sync(manifest, { manager })
    expect(synced.metadata.generation).toBe(generation)
    expect(await podsOf(testCluster.client, ns, 'bloom')).toHaveLength(1)
  })

  test('what changes in Git is a difference, and nothing else is', async () => {
    const changed = inGit(ns, 'oss://models/bloom', { image: 'bloom-server:2.0' })
    const predicted = await sync(changed, { manager, dryRun: true })
    const stored = await live(ns)
    const container = (object: KubeObject) => objectAt(object, 'spec', 'predictor', 'containers', 0)
    expect(container(predicted)).toEqual({ ...container(stored), image: 'bloom-server:2.0' })
    expect(predicted.metadata.annotations).toEqual(stored.metadata.annotations)
    const moved = await sync(inGit(ns, 'oss://models/other'), { manager, dryRun: true })
    expect(cacheNames(moved)).not.toEqual(cacheNames(stored))
  })

  test('an opt-out in Git restores the service, and that stays in sync', async () => {
    const manifest = inGit(ns)
    const annotations = { ...manifest.metadata.annotations, 'warmgate.dev/acceleration': 'disabled' }
    const optedOut = { ...manifest, metadata: { ...manifest.metadata, annotations } }
    const restored = await sync(optedOut, { manager })
    expect(cacheNames(restored)).toEqual([])
    await expectInSync(optedOut, manager)
  })
})

test("with rewrite: Pod the service is what Git says: Argo CD's older diff, which compares with Git, is in sync, too", async () => {
  const uriOf = (object: KubeObject) =>
    stringAt(object, 'spec', 'predictor', 'containers', 0, 'env', 0, 'value')
  await opened('gitops-spec')
  await opened('gitops-pod', { rewrite: 'Pod' })
  const manager = 'argocd-controller'
  const [spec, pod] = await Promise.all(
    ['gitops-spec', 'gitops-pod'].map((ns) => sync(inGit(ns), { manager })),
  )
  expect(uriOf(spec as KubeObject)).toMatch(/^pvc:/)
  expect(uriOf(pod as KubeObject)).toBe('oss://models/bloom')
  const [stored, git] = [await live('gitops-pod'), inGit('gitops-pod')]
  expect(stored.metadata.annotations).toMatchObject(git.metadata.annotations ?? {})
  expect(Object.keys(stored.metadata.annotations ?? {})).not.toContain('warmgate.dev/original')
  const container = (object: KubeObject) => objectAt(object, 'spec', 'predictor', 'containers', 0)
  expect(container(stored)).toMatchObject({
    env: container(git).env as Json,
    image: container(git).image as Json,
  })
  await expectInSync(inGit('gitops-pod'), manager)
})

test('the settings as files are what each tool needs', async () => {
  const [application] = await readObjects('manifests/gitops/argocd.yaml')
  expect(application?.metadata.annotations).toEqual({
    'argocd.argoproj.io/compare-options': 'ServerSideDiff=true,IncludeMutationWebhook=true',
  })
  expect(objectAt(application, 'spec', 'syncPolicy').syncOptions).toEqual(['ServerSideApply=true'])
  const [kustomization] = await readObjects('manifests/gitops/flux.yaml')
  expect(resourceOf(kustomization as KubeObject)).toMatchObject({
    group: 'kustomize.toolkit.fluxcd.io',
    version: 'v1',
  })
})
