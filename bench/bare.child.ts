import { KubeConfig } from '@kubernetes/client-node'
import { Agent, request } from 'undici'
import type { UnchangedWrite } from './held.ts'

// The lower bound of an API server: the same patches as Warmgate's, prepared in advance, without reading the
// responses, on kept connections, as many in parallel as Warmgate's controller writes.
const config = new KubeConfig()
config.loadFromDefault()
const identity: { headers?: { [name: string]: string }; ca?: string } = {}
await config.applyToHTTPSOptions(identity as Parameters<KubeConfig['applyToHTTPSOptions']>[0])
const dispatcher = new Agent({ connect: { ca: identity.ca ?? '' }, keepAliveTimeout: 60_000 })
const headers = { ...identity.headers, 'content-type': 'application/strategic-merge-patch+json' }
const server = config.getCurrentCluster()?.server ?? ''

async function write({ path, body }: UnchangedWrite): Promise<void> {
  const answer = await request(`${server}${path}`, { method: 'PATCH', dispatcher, headers, body })
  await answer.body.dump()
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode}`)
}

let writes: UnchangedWrite[] = []
process.once('disconnect', () => process.exit(0))
process.on('message', async (message: { writes: UnchangedWrite[] } | { parallel: number }) => {
  if ('writes' in message) writes = message.writes
  else {
    const left = writes.values()
    // All workers share one iterator: each takes the next free one.
    const work = async () => {
      for (const each of left) await write(each)
    }
    await Promise.all(Array.from({ length: message.parallel }, work))
  }
  process.send?.('done')
})
process.send?.('ready')
