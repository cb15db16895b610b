import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, fakePod, openNamespace } from '../cluster/cluster.fake.ts'
import { fakeMirror } from '../cluster/mirror.fake.ts'
import type { KubeClient } from '../kube/client.ts'
import { fakePolicy, fakeService } from '../plan/plan.fake.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { type Json, type KubeObject, listAt } from '../values/object.ts'
import { createPodHandler } from './pod.ts'
import type { AdmissionRequest } from './review.ts'

/** The paths that are patched in a new pod of a service on a warm cache; the API server is never asked. */
async function patched(policy: Json, labels: { [key: string]: string } = {}): Promise<string[]> {
  const fake = fakeMirror()
  fake.parsed.push(fakePolicy('p', policy))
  fake.namespaces.put(openNamespace)
  fake.services.put(fakeService({ model: { storageUri: `pvc://${cacheName}` } }))
  fake.datasets.put(fakeDataset())
  fake.dataLoads.put(fakeDataLoad('Complete'))
  const client = {} as unknown as KubeClient
  const { mirror } = fake
  const handle = createPodHandler({ mirror, client, kserveNamespace: 'kserve', metrics: createMetrics() })
  const answer = await handle(review(newPod(labels)))
  return answer.kind === 'allow' ? (answer.patch ?? []).map(({ path }) => path) : []
}

function newPod(labels: { [key: string]: string }): KubeObject {
  const { metadata, spec, ...rest } = fakePod()
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

test('a pod is to be near its cache, whether anything waits or not', async () => {
  expect(await patched({})).toEqual(['/spec/affinity'])
  expect(await patched({ hold: { at: 'None' } })).toEqual(['/spec/affinity'])
})

test('without a policy that is enforced nothing is touched', async () => {
  for (const mode of ['Audit', 'Off']) expect(await patched({ mode })).toEqual([])
  expect(await patched({}, { 'fluid.io/enable-injection': 'false' })).toEqual([])
})
