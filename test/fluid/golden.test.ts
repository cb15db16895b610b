import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KubeClient } from '../../src/kube/client.ts'
import { objectAt } from '../../src/values/object.ts'
import { applyAll, readObjects, resourceOf } from '../cluster/objects.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'

let cluster: SharedCluster
let client: KubeClient

beforeAll(async () => {
  cluster = await joinTestCluster('models')
  client = cluster.client
  await applyAll(client, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'models' } }])
})

afterAll(() => cluster?.stop())

const files = (await readdir(new URL('../../src/fluid/golden/', import.meta.url))).toSorted()
// Fluid 1.0.8 has no CacheRuntime: of those files the rest is checked.
const served = (kind: string) => kind !== 'CacheRuntime'

test.each(files)('%s is what Fluid’s own CRDs admit, and nothing of it is pruned', async (file) => {
  const objects = (await readObjects(`src/fluid/golden/${file}`)).filter(({ kind }) => served(kind))
  expect(objects.length).toBeGreaterThan(0)
  for (const object of objects) {
    const admitted = await client.create(resourceOf(object), object, { dryRun: true })
    expect(objectAt(admitted.spec)).toMatchObject(objectAt(object.spec))
  }
})
