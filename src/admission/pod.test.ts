import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, fakePod, openNamespace } from '../cluster/cluster.fake.ts'
import { fakeMirror } from '../cluster/mirror.fake.ts'
import { fakePlanner } from '../cluster/planner.fake.ts'
import type { KubeClient } from '../kube/client.ts'
import { fakePolicy, fakeService } from '../plan/plan.fake.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type Json, type KubeObject, listAt, stringAt } from '../values/object.ts'
import { createPodHandler } from './pod.ts'
import type { AdmissionAnswer, AdmissionRequest } from './review.ts'

const uri = 's3://models/llama'

interface Input {
  policy?: Json
  pod?: KubeObject
  /** The phase of the DataLoad. */
  phase?: string
  /** The phase of the Dataset, and whether Fluid has created its claim. */
  bound?: string
  hasClaim?: boolean
  format?: string
}

/** The response for a new pod of a service, and every API call that it causes. */
async function admit({ policy = {}, pod = newPod(), phase = 'Complete', format = 'onnx', ...cache }: Input) {
  const fake = fakeMirror()
  fake.parsed.push(fakePolicy('p', policy))
  fake.namespaces.put(openNamespace)
  fake.services.put(
    fakeService({ model: { storageUri: uri, modelFormat: { name: format } } }, { uid: 'service-uid' }),
  )
  const { metadata, ...dataset } = fakeDataset({ phase: cache.bound ?? 'Bound' })
  const annotations = { 'warmgate.dev/source': uri }
  const owner = { apiVersion: 'serving.kserve.io/v1beta1', kind: 'InferenceService', name: 'llama' }
  const ownerReferences = [{ ...owner, uid: 'service-uid' }]
  fake.datasets.put({ ...dataset, metadata: { ...metadata, annotations, ownerReferences } } as KubeObject)
  fake.dataLoads.put(fakeDataLoad(phase))
  if (cache.hasClaim) fake.claims.put({ ...fakeDataset(), kind: 'PersistentVolumeClaim' })
  const calls: string[] = []
  const client = new Proxy({} as KubeClient, {
    get: (_, verb) => () => {
      calls.push(String(verb))
      throw new Error('an admitted pod asks the API server nothing')
    },
  })
  const { mirror } = fake
  const handle = createPodHandler({
    mirror,
    planner: fakePlanner({ mirror, client }),
    metrics: createMetrics(),
    clock: new FakeClock(),
  })
  return { answer: await handle(review(pod), new AbortController().signal), calls }
}

function paths(answer: AdmissionAnswer): string[] {
  return answer.kind === 'allow' ? (answer.patch ?? []).map(({ path }) => path) : []
}

function newPod({ labels = {}, ...more }: Parameters<typeof fakePod>[0] = {}): KubeObject {
  const { metadata, spec, ...rest } = fakePod(more)
  return {
    ...rest,
    metadata: { ...metadata, labels: { ...metadata.labels, ...labels } },
    spec: { volumes: listAt(spec, 'volumes') },
  }
}

function review(object: KubeObject): AdmissionRequest {
  const [namespace, name] = ['models', undefined]
  return {
    uid: 'u',
    resource: 'pods',
    namespace,
    name,
    operation: 'CREATE',
    dryRun: false,
    object,
    oldObject: null,
  }
}

test('a pod of a warm cache is not held, and costs no call to the API server', async () => {
  const { answer, calls } = await admit({})
  expect(answer).toMatchObject({ auditAnnotations: { decision: 'pass' } })
  expect(paths(answer)).not.toContain('/spec/readinessGates')
  expect(calls).toEqual([])
})

test('files are read ahead for vLLM, once its cache is Bound, and never beside a server that starts cold', async () => {
  const files = '/metadata/annotations/file-prefetcher.fluid.io~1file-list'
  const isReadAhead = async (of: Input) =>
    paths((await admit({ format: 'vLLM', hasClaim: true, ...of })).answer).some((path) =>
      files.startsWith(path),
    )
  expect(await isReadAhead({})).toBe(true)
  const scheduling = { phase: 'Executing', policy: { hold: { at: 'Scheduling' } } }
  expect(await isReadAhead(scheduling)).toBe(true)
  expect(await isReadAhead({ ...scheduling, bound: 'NotBound' })).toBe(false)
  expect(await isReadAhead({ hasClaim: false })).toBe(false)
  expect(await isReadAhead({ phase: 'Executing' })).toBe(false)
  expect(await isReadAhead({ format: 'onnx' })).toBe(false)
  expect(await isReadAhead({ policy: { cache: { prefetch: 'Never' } } })).toBe(false)
})

test('nor does one of a cold cache, which is held', async () => {
  const { answer, calls } = await admit({ phase: 'Executing' })
  expect(answer).toMatchObject({ auditAnnotations: { decision: 'hold' } })
  expect(paths(answer)).toContain('/spec/readinessGates')
  expect(calls).toEqual([])
})

test('nor a pod that is redirected itself', async () => {
  const annotations = { 'internal.serving.kserve.io/storage-initializer-sourceuri': uri }
  const { answer, calls } = await admit({
    policy: { rewrite: 'Pod' },
    pod: newPod({ claims: [], annotations }),
  })
  expect(JSON.stringify(answer)).toContain('pvc://')
  expect(calls).toEqual([])
})

test('a pod is to be near its cache, whether anything waits or not', async () => {
  expect(paths((await admit({})).answer)).toEqual(['/spec/affinity'])
  expect(paths((await admit({ policy: { hold: { at: 'None' } } })).answer)).toEqual(['/spec/affinity'])
})

test('a mount of its cache sees what the node mounts again, and a mount of another claim does not', async () => {
  const pod = newPod({ claims: [cacheName, 'own'] })
  const [cache, own] = listAt(pod.spec, 'volumes')
  const mounts = [cache, own].map((volume) => ({ name: stringAt(volume, 'name'), mountPath: '/mnt' }))
  const mounting = { ...pod, spec: { volumes: [cache, own], containers: [{ volumeMounts: mounts }] } }
  const propagation = '/spec/containers/0/volumeMounts/0/mountPropagation'
  expect(paths((await admit({ pod: mounting as KubeObject })).answer)).toEqual([
    '/spec/affinity',
    propagation,
  ])
  const off = await admit({ pod: mounting as KubeObject, policy: { mode: 'Off' } })
  expect(paths(off.answer)).toEqual([])
})

test('without a policy that is enforced nothing is touched', async () => {
  for (const mode of ['Audit', 'Off']) expect(paths((await admit({ policy: { mode } })).answer)).toEqual([])
  const pod = newPod({ labels: { 'fluid.io/enable-injection': 'false' } })
  expect(paths((await admit({ pod })).answer)).toEqual([])
})

const sidecar = { cache: { fuse: 'Sidecar' }, hold: { at: 'None' } }
const labelled = '/metadata/labels/serverless.fluid.io~1inject'
const waiting = '/metadata/annotations/warmgate.dev~1awaits-sidecar'

test('Sidecar: the label once the caches are Bound and their claims there; until then no node', async () => {
  const patched = async (input: Input) => paths((await admit({ policy: sidecar, ...input })).answer)
  expect(await patched({})).toEqual([waiting, '/spec/schedulingGates', '/spec/affinity'])
  const ready = await patched({ hasClaim: true })
  expect(ready).toEqual([labelled, '/metadata/annotations/warmgate.dev~1mounts', '/spec/affinity'])
  const unbound = await patched({ hasClaim: true, bound: 'NotBound' })
  expect(unbound).toContain(waiting)
  expect(unbound).not.toContain(labelled)
  const own = newPod({ labels: { 'serverless.fluid.io/inject': 'true' } })
  expect(await patched({ pod: own })).toEqual(['/spec/affinity'])
  expect(await patched({ policy: { mode: 'Off', ...sidecar } })).toEqual([])
})
