import { expect, test } from 'vitest'
import type { KubeClient } from '../kube/client.ts'
import { type Resource, resources } from '../kube/resources.ts'
import { fakeService } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import type { KubeObject, ObjectKey } from '../values/object.ts'
import { openNamespace } from './cluster.fake.ts'
import { readFacts } from './facts.ts'
import { fakeMirror } from './mirror.fake.ts'

const minio = JSON.stringify({ type: 's3', bucket: 'b', access_key_id: 'x', secret_access_key: 'x' })
const storageConfig: KubeObject = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'storage-config', namespace: 'models' },
  data: { minio: Buffer.from(minio).toString('base64') },
}

test('the Secret of a storage spec is read, before and after the service is pointed at its cache', async () => {
  const client = {
    get: async (resource: Resource, { name }: ObjectKey) => {
      if (resource === resources.namespace) return openNamespace
      return resource === resources.secret && name === 'storage-config' ? storageConfig : undefined
    },
  } as unknown as KubeClient
  const { mirror } = fakeMirror()
  const installed = Object.assign(mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const read = (service: KubeObject) =>
    readFacts({ mirror: installed, client, kserveNamespace: 'kserve' }, service, 'models')
  const service = fakeService({ model: { storage: { key: 'minio', path: 'llama' } } })
  const first = plan({ service, facts: await read(service) })
  expect(first.reason).toBe('Accelerated')
  // Webhooks are called again with what they made.
  const again = plan({ service: first.service, facts: await read(first.service) })
  expect(again.reason).toBe('AlreadyCached')
  expect(again.service).toEqual(first.service)
})
