import { KubeConfig } from '@kubernetes/client-node'
import { createClient } from '../src/kube/http.ts'
import { type Resource, resources } from '../src/kube/resources.ts'
import type { Ports, Usage } from './scale.child.ts'

// What every client must do that follows services, Datasets and pods: receive and parse their events. It answers what
// it has used so far, as a replica does. Ends with its parent.

process.once('disconnect', () => process.exit(0))
process.once('message', async (_: Ports) => {
  const config = new KubeConfig()
  config.loadFromDefault()
  const client = createClient(config)
  const follow = async (resource: Resource) => {
    const { resourceVersion } = await client.list(resource, { reduce: () => undefined })
    return async () => {
      const { signal } = new AbortController()
      for await (const event of client.watch(resource, { resourceVersion, timeoutSeconds: 3_600, signal }))
        if (event.type === 'ERROR') throw new Error(event.message)
    }
  }
  const watches = await Promise.all(
    [resources.inferenceService, resources.dataset, resources.pod].map((resource) => follow(resource)),
  )
  for (const watch of watches) void watch()
  process.send?.('serving')
  process.on('message', (ask: 'usage' | 'heap' | 'stop') => {
    if (ask === 'stop') process.exit(0)
    const { user, system } = process.cpuUsage()
    const usage: Usage = { cpuMs: (user + system) / 1_000, rssMiB: 0, peakMiB: 0, heapMiB: 0, calls: 0 }
    process.send?.(usage)
  })
})
