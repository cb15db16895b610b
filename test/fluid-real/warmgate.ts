import { readFile } from 'node:fs/promises'
import { expect, type TestContext, test } from 'vitest'
import { runRefresh } from '../../src/cli/refresh.ts'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { pendingChangesOf } from '../../src/fluid/merge.ts'
import { type RuntimeName, runtimes } from '../../src/fluid/runtimes.ts'
import { resources } from '../../src/kube/resources.ts'
import { hasGate } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { systemClock } from '../../src/values/clock.ts'
import { type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { FluidFixture } from '../fluid/fixture.ts'
import { persistentVolume } from '../fluid/kinds.ts'
import { condition, isTrue, podsOf } from '../integration/await.ts'
import { custom, namespace, policy, service } from '../integration/services.ts'
import type { RealFluidCluster } from '../warmgate/test-cluster.ts'
import { cronJob } from './kinds.ts'

const { dataset, dataLoad, inferenceService, job, persistentVolumeClaim } = resources

interface Path {
  runtime: RuntimeName
  uri: string
  /** The policy's fields for the source, except its scheme. */
  source?: JsonObject
  secret?: { [key: string]: string }
  /** The schedule on which its cache is loaded again; every night if unset. */
  schedule?: string
}

const jindo: Path = { runtime: 'Jindo', uri: 's3://models/bloom' }
const juicefs: Path = {
  runtime: 'JuiceFS',
  uri: 'juicefs://models/bloom',
  source: {
    credentials: { secretName: 'access' },
    options: { storage: 'minio', bucket: 'http://minio:9000/jfs' },
  },
  secret: { metaurl: 'redis://redis:6379/1' },
}
/** One of each runtime, but of Cache: what that one caches, its class and images decide. */
const paths: Record<Exclude<RuntimeName, 'Cache'>, Path> = {
  Jindo: jindo,
  Alluxio: {
    ...jindo,
    runtime: 'Alluxio',
    source: { runtime: 'Alluxio', credentials: { identity: 'Node' } },
  },
  JuiceFS: juicefs,
  EFC: { runtime: 'EFC', uri: 'nfs://0a1b2c.cn-hangzhou.nas.aliyuncs.com/models/bloom' },
  Thin: {
    runtime: 'Thin',
    uri: 'nfs://10.0.0.7/exports/bloom',
    source: { runtime: 'Thin', profile: 'nfs' },
  },
}

const refreshed: Path = { ...jindo, uri: 's3://models/refreshed', schedule: '* * * * *' }

/** The whole way of a service: Warmgate, KServe and Fluid are each themselves. */
export function warmgate(theCluster: () => RealFluidCluster): void {
  test.concurrent.for(Object.values(paths))(
    '$runtime: $uri from its service to its last volume',
    async (path, context) => {
      const admitted = await admit(path, theCluster(), context)
      const { fixture, cache } = admitted
      // A cache that is warm when it is Bound may be warm before a pod exists.
      const first = await admitted.pod((pod) => !isLoaded(path) || condition(pod, warm) !== undefined)
      if (isLoaded(path)) {
        expect(hasGate(first)).toBe(true)
        expect(stringAt(condition(first, warm), 'status')).toBe('False')
      }
      await fixture.expectPhase(dataset, cache, 'Bound')
      await fixture.expectPhase(persistentVolumeClaim, cache, 'Bound')
      expect(objectAt(await fixture.get(dataset, cache), 'status')).toMatchObject({
        runtimes: [{ type: path.runtime.toLowerCase() }],
      })
      if (isLoaded(path)) {
        await fixture.expectPhase(dataLoad, cache, 'Complete')
        await fixture.eventually(() => fixture.find(cronJob, `${cache}-s-loader-job`)).toBeDefined()
      }
      const ready = await admitted.pod((pod) => isTrue(pod, 'Ready'))
      expect(ready.metadata.uid).toBe(first.metadata.uid)
      expect(listAt(ready, 'spec', 'initContainers')).toEqual([])
      // Fluid rewrites objects and adds to them: Warmgate sees no difference, and wrote each of them once.
      const found = await fixture.get(dataset, cache)
      expect(pendingChangesOf(found)).toBe('')
      const written = await writesIn(theCluster(), fixture.namespace)
      expect(written).toEqual([...new Set(written)])
      await fixture.delete(inferenceService, 'bloom')
      for (const resource of [dataset, runtimeResources[path.runtime], dataLoad, persistentVolumeClaim])
        await fixture.expectGone(resource, cache)
      await fixture.expectGone(cronJob, `${cache}-s-loader-job`)
      const volume = { name: `${fixture.namespace}-${cache}` }
      await fixture.eventually(() => fixture.client.get(persistentVolume, volume)).toBeUndefined()
    },
  )

  test.concurrent('warmgate refresh, and a schedule: Fluid reads metadata again and loads, and no pod is touched', async (context) => {
    const admitted = await admit(refreshed, theCluster(), context)
    const { fixture, cache } = admitted
    const before = await admitted.pod((pod) => isTrue(pod, 'Ready'))
    const said: string[] = []
    const refreshing = runRefresh(
      {
        client: fixture.client,
        clock: systemClock,
        namespace: fixture.namespace,
        service: 'bloom',
        timeoutMs: 240_000,
        signal: AbortSignal.timeout(300_000),
      },
      { stdout: { write: (line) => said.push(String(line)) > 0 } },
    )
    const isRefresh = ({ metadata: { name = '' } }: KubeObject) => name.startsWith(`${cache}-r`)
    const loadJob = async () =>
      (await fixture.client.list(job, { namespace: fixture.namespace })).items.find(isRefresh)
    await fixture.eventually(loadJob).toBeDefined()
    const [container] = listAt(await loadJob(), 'spec', 'template', 'spec', 'containers')
    expect(listAt(container, 'env')).toContainEqual({ name: 'NEED_LOAD_METADATA', value: 'true' })
    expect(await refreshing).toBe(0)
    expect(said.at(-1)).toMatch(/: refreshed in [0-9]+[ms]/)
    await fixture.expectPhase(dataLoad, `${cache}-s`, 'Complete')
    const after = await admitted.pod(() => true)
    expect(after.metadata.uid).toBe(before.metadata.uid)
    expect(isTrue(after, 'Ready')).toBe(true)
    // The DataLoad of the refresh and its Job are deleted; the warm-up still exists.
    await fixture.eventually(loadJob).toBeUndefined()
    await fixture.expectPhase(dataLoad, cache, 'Complete')
  })
}

/** The Fluid objects that Warmgate wrote in a namespace, e.g. `DataLoad bloom-0123456789`. */
async function writesIn({ logFile }: RealFluidCluster, ns: string): Promise<string[]> {
  const lines = (await readFile(logFile, 'utf8')).split('\n').filter((line) => line.includes('"applied"'))
  return lines
    .map((line) => JSON.parse(line) as { namespace: string; kind: string; name: string })
    .filter(({ namespace: written }) => written === ns)
    .map(({ kind, name }) => `${kind} ${name}`)
}

const warm = 'warmgate.dev/cache-warm'

/** Whether the runtime has DataLoads. Without them, a cache is warm when it is Bound. */
function isLoaded({ runtime }: Path): boolean {
  return runtimes[runtime].isLoadable
}

interface AdmittedService {
  fixture: FluidFixture
  cache: string
  /** Waits for a pod of the service that matches. */
  pod(wanted: (pod: KubeObject) => boolean): Promise<KubeObject>
}

/** Creates a service in its own namespace, with its own policy, and returns it as admitted. */
async function admit(
  path: Path,
  { client }: RealFluidCluster,
  context: TestContext,
): Promise<AdmittedService> {
  const ns = `warm-${path.runtime.toLowerCase()}-${path.uri.split('/').at(-1)}`
  const fixture = await FluidFixture.open(client, ns, context)
  const scheme = `${path.uri.split('://')[0]}://`
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': ns } }
  await applyAll(client, [
    policy(ns, {
      namespaceSelector,
      sources: [{ match: [scheme], ...path.source }],
      warmup: { schedule: path.schedule ?? '0 3 * * *' },
    }),
    namespace(ns),
  ])
  if (path.secret !== undefined) await fixture.create(resources.secret, 'access', { stringData: path.secret })
  const object = service(ns, 'bloom', custom(path.uri))
  const tried = async () => cacheNames(await client.create(inferenceService, object, { dryRun: true })).length
  await fixture.eventually(tried).toBe(1)
  const admitted = await client.create(inferenceService, object)
  const [cache = ''] = cacheNames(admitted)
  expect(stringAt(admitted, 'spec', 'predictor', 'containers', 0, 'env', 0, 'value')).toBe(`pvc://${cache}`)
  const pod = async (wanted: (pod: KubeObject) => boolean) => {
    const found = async () => (await podsOf(client, ns, 'bloom')).find(wanted)
    await fixture.eventually(found).toBeDefined()
    return (await found()) as KubeObject
  }
  return { fixture, cache, pod }
}
