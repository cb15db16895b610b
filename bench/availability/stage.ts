import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from '../../build.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { type KubeObject, stringAt } from '../../src/values/object.ts'
import { type BareApi, startBareApi } from '../../test/cluster/bare-api.ts'
import { resourceOf } from '../../test/cluster/objects.ts'
import { until } from '../../test/cluster/until.ts'
import { namespace } from '../../test/integration/services.ts'
import { installWarmgate } from '../../test/warmgate/install.ts'
import { Deployment } from './deployment.ts'
import { warmCaches } from './fluid.ts'
import { LocalService } from './service.ts'

/** Two replicas behind one address, on a real API server. */
export interface Stage {
  api: BareApi
  client: KubeClient
  deployment: Deployment
  /** The path of the kubeconfig of the shipped service account. */
  kubeconfig: string
  /** The namespace that is opted in. */
  namespace: string
  /** Warmgate as one file. */
  program: string
  /** The same, which checks its certificates every second. */
  quickProgram: string
  stop(): Promise<void>
}

const servedCrds = [
  'inferenceservices.serving.kserve.io',
  'datasets.data.fluid.io',
  'dataloads.data.fluid.io',
  'jindoruntimes.data.fluid.io',
]
const ns = 'models'
const cacheMs = 1_500

export async function startStage(): Promise<Stage> {
  const api = await startBareApi(servedCrds)
  const stops: (() => Promise<void>)[] = [() => api.stop()]
  const stop = async () => {
    for (const each of stops.splice(0).toReversed()) await each()
  }
  try {
    const { access, client } = api
    const [program, quickProgram] = await Promise.all([
      bundled(access.dir, 'src/main.ts'),
      bundled(access.dir, 'bench/availability.child.ts'),
    ])
    const service = new LocalService()
    const port = await service.listen()
    stops.push(() => service.stop())
    for (const object of ground()) await client.create(resourceOf(object), object)
    await installWarmgate(client, `https://127.0.0.1:${port}`)
    const kubeconfig = await access.kubeconfigFor({ namespace: 'warmgate-system', name: 'warmgate' })
    stops.push(warmCaches(client, cacheMs))
    const deployment = new Deployment({ client, kubeconfig, folder: access.dir, service })
    stops.push(() => deployment.stop())
    for (let index = 0; index < 2; index++) await deployment.start(program)
    await deployment.leader()
    return { api, client, deployment, kubeconfig, namespace: ns, program, quickProgram, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function bundled(folder: string, entryPoint: string): Promise<string> {
  const root = new URL('../../', import.meta.url)
  const outfile = join(folder, `${entryPoint.replaceAll('/', '-')}.mjs`)
  await mkdir(folder, { recursive: true })
  await bundle(outfile, fileURLToPath(new URL(entryPoint, root)))
  return outfile
}

/** No controller creates the account that a pod needs. */
function ground(): KubeObject[] {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: ns } }
  const kserve = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kserve' } }
  return [kserve, namespace(ns), account]
}

/** The services about which an Event says that admission missed them, with the command that accelerates them. */
export async function reported({ client }: Stage, missed: readonly string[]): Promise<string[]> {
  const find = async () => {
    const { items } = await client.list(resources.event, { namespace: ns })
    const notes = items
      .filter((event) => stringAt(event, 'reason') === 'NotAdmitted')
      .map((event) => stringAt(event, 'note'))
    return missed.filter((name) =>
      notes.some((note) => note?.includes(`warmgate adopt --namespace ${ns} ${name}\``)),
    )
  }
  const all = async () => {
    const found = await find()
    return found.length === missed.length ? found : undefined
  }
  return await until('an Event for each missed service', all).catch(find)
}
