import { afterAll, beforeAll } from 'vitest'
import { nodeResource } from '../cluster/nodes.ts'
import { contract } from '../fluid/contract.ts'
import { type RealFluidCluster, startRealFluidCluster } from '../warmgate/test-cluster.ts'
import { beyond } from './beyond.ts'
import { golden } from './golden.ts'
import { profile } from './kinds.ts'
import { warmgate } from './warmgate.ts'

let stage: RealFluidCluster

beforeAll(async () => {
  stage = await startRealFluidCluster({ nodes: 3, initContainerSeconds: 1 })
  const { client } = stage
  for (const name of ['nfs', 's3fs']) await client.create(...profile(name))
  // Where golden files want their workers to be.
  const body = { metadata: { labels: { 'example.com/pool': 'cache' } } }
  for (const { metadata } of (await client.list(nodeResource)).items)
    await client.patch(nodeResource, { name: metadata.name ?? '' }, { type: 'merge', body })
})

afterAll(async () => {
  await stage?.stop()
})

// All at once: most of what they do is to wait for Fluid's polls.
contract(() => stage.client)
beyond(() => stage.client)
golden(() => stage.client)
warmgate(() => stage)
