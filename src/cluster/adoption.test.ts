import { expect, test } from 'vitest'
import { FakeApi } from '../kube/api.fake.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { adoptService, pendingReason } from './adoption.ts'
import { cacheName, fakePod } from './cluster.fake.ts'

const uri = 's3://models/llama'
const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const record = { 'warmgate.dev/original': JSON.stringify({ locations: { m: { uri, cache: cacheName } } }) }

const service = (
  status: JsonObject = ready,
  annotations: { [key: string]: string } = record,
): KubeObject => ({
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  metadata: {
    name: 'llama',
    namespace: 'models',
    annotations: { ...annotations, 'warmgate.dev/caches': cacheName },
  },
  status,
})

const onCache = (status: JsonObject = ready): KubeObject => ({ ...fakePod({ name: 'new' }), status })
const old: KubeObject = {
  ...fakePod({ name: 'old', claims: [] }),
  spec: { initContainers: [{ name: 'storage-initializer', args: [uri, '/mnt/models'] }] },
  status: ready,
}
const others: KubeObject = {
  ...old,
  spec: { initContainers: [{ name: 'storage-initializer', args: ['hf://canary', '/mnt/models'] }] },
}

test.each<[string, KubeObject[], KubeObject, string | undefined]>([
  ['its new pods are Ready', [onCache()], service(), undefined],
  [
    'an old pod is there still, whatever Ready says',
    [old, onCache()],
    service(),
    'pod old is not replaced yet',
  ],
  ['a new pod is held', [onCache({})], service(), 'pod new is not Ready'],
  ['no pod has come yet', [others], service(), 'no pod reads from the cache yet'],
  ['a canary that downloads something else stays', [others, onCache()], service(), undefined],
  ['it has no pods at all', [], service(), undefined],
  ['it is not Ready', [onCache()], service({}), 'the service is not Ready'],
  ['it opted out meanwhile', [old], service({}, {}), undefined],
])('an adopted service: %s', (_, pods, object, pending) => {
  expect(pendingReason(object, pods)).toBe(pending)
})

test('if the webhook does not respond, the adopt request is removed', async () => {
  const api = new FakeApi()
  api.put(service(ready, {}))
  const answer = await adoptService(api, service(ready, {}), { dryRun: false })
  expect(answer).toMatchObject({ kind: 'left', why: expect.stringContaining('did not see it') })
  const { annotations } = api.all('InferenceService')[0]?.metadata ?? {}
  expect(annotations).toEqual({ 'warmgate.dev/caches': cacheName })
  expect(api.writes).toHaveLength(2)
})
