import { copyFile, mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { nodeResource } from '../cluster/nodes.ts'
import { contract } from '../fluid/contract.ts'
import { waitLonger } from '../warmgate/install.ts'
import { type RealFluidCluster, startRealFluidCluster } from '../warmgate/test-cluster.ts'
import { beyond } from './beyond.ts'
import { golden } from './golden.ts'
import { profile } from './kinds.ts'
import { warmgate } from './warmgate.ts'

let testCluster: RealFluidCluster
let hasFailed = false

beforeAll(async () => {
  testCluster = await startRealFluidCluster({ nodes: 3, initContainerSeconds: 1 })
  const { client } = testCluster
  await waitLonger(client)
  for (const name of ['nfs', 's3fs']) await client.create(...profile(name))
  // The nodes that the golden files select for workers.
  const body = { metadata: { labels: { 'example.com/pool': 'cache', 'example.com/disks': 'two' } } }
  for (const { metadata } of (await client.list(nodeResource)).items)
    await client.patch(nodeResource, { name: metadata.name ?? '' }, { type: 'merge', body })
})

afterEach(({ task }) => {
  hasFailed ||= task.result?.state === 'fail'
})

afterAll(async () => {
  try {
    for (const line of testCluster?.cluster.restarts() ?? []) process.stdout.write(`${line}\n`)
    if (testCluster !== undefined && hasFailed)
      process.stdout.write(`The logs of this run are in ${await keepLogs(testCluster.cluster.dir)}\n`)
  } finally {
    await testCluster?.stop()
  }
})

/** Copies all logs out of the folder of the cluster, which is removed with the cluster. */
async function keepLogs(folder: string): Promise<string> {
  const kept = await mkdtemp(join(tmpdir(), 'warmgate-fluid-logs-'))
  const logs = (await readdir(folder)).filter((name) => name.endsWith('.log'))
  await Promise.all(logs.map((name) => copyFile(join(folder, name), join(kept, name))))
  return kept
}

// In parallel, because they mostly wait for Fluid's polls.
contract(() => testCluster.client)
beyond(() => testCluster.client)
golden(() => testCluster.client)
warmgate(() => testCluster)
