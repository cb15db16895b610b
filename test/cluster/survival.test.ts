import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { KubeConfig } from '@kubernetes/client-node'
import { expect, test } from 'vitest'
import { createClient } from '../../src/kube/http.ts'
import { resources } from '../../src/kube/resources.ts'
import { startCluster } from './cluster.ts'
import { until } from './until.ts'

const owner = fileURLToPath(new URL('./survival.owner.ts', import.meta.url))

test('two clusters are independent; a cluster leaves nothing if its owner is killed', async () => {
  const child = fork(owner, { execArgv: [] })
  const [ours, [theirs]] = await Promise.all([
    startCluster({ nodes: 1 }),
    once(child, 'message') as Promise<[{ dir: string; url: string; kubeconfig: string }]>,
  ])
  try {
    expect(ours.url).not.toBe(theirs.url)
    await expect(namespaces(ours.kubeconfig)).resolves.not.toContain('theirs')
    await expect(namespaces(theirs.kubeconfig)).resolves.toContain('theirs')
    const before = await processesOf(theirs.dir)
    expect(before.length).toBeGreaterThanOrEqual(6)

    child.kill('SIGKILL')
    await until('end of the other cluster', async () => (await isGone(theirs.dir)) || undefined)
    await expect(namespaces(ours.kubeconfig)).resolves.toContain('default')
  } finally {
    child.kill('SIGKILL')
    await ours.stop()
  }
  expect(await isGone(ours.dir)).toBe(true)
})

async function isGone(dir: string): Promise<boolean> {
  return (await processesOf(dir)).length === 0 && !existsSync(dir)
}

/** The processes that have a cluster's folder among their arguments: its supervisor, and all that it runs. */
async function processesOf(dir: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-axo', 'args'], { maxBuffer: 16 * 1024 * 1024 })
  return stdout.split('\n').filter((command) => command.includes(dir))
}

async function namespaces(kubeconfig: string): Promise<(string | undefined)[]> {
  const config = new KubeConfig()
  config.loadFromFile(kubeconfig)
  const client = createClient(config)
  try {
    return (await client.list(resources.namespace)).items.map(({ metadata }) => metadata.name)
  } finally {
    await client.close()
  }
}
