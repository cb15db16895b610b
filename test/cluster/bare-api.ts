import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeClient } from '../../src/kube/client.ts'
import { createClient } from '../../src/kube/http.ts'
import { resources } from '../../src/kube/resources.ts'
import { kustomized } from '../warmgate/install.ts'
import { createAccess, kubeConfigOf } from './access.ts'
import { provideBinaries } from './binaries.ts'
import { type ClusterAccess, kubeconfigPath, openCluster } from './cluster.ts'
import { type Parts, startApiServer, startEtcd } from './control-plane.ts'
import { establish } from './objects.ts'
import { freePorts } from './ports.ts'
import { Processes } from './processes.ts'

/** A real API server and etcd without any controller: only its clients change what is stored. */
export interface BareApi {
  access: ClusterAccess
  /** As the cluster's administrator. */
  client: KubeClient
  etcdUrl: string
  /** Kills one of them and starts it again. Resolves when the API server responds again. */
  restart(program: 'etcd' | 'kube-apiserver'): Promise<void>
  stop(): Promise<void>
}

/** @param served the CRDs of Warmgate, KServe, Fluid and cert-manager to install: for all of them an API server takes minutes. */
export async function startBareApi(served: readonly string[]): Promise<BareApi> {
  const binaries = await provideBinaries({ programs: ['etcd', 'kube-apiserver'] })
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-api-'))
  const processes = new Processes(folder)
  const [etcd = 0, apiserver = 0] = await freePorts(2)
  const access = await createAccess(folder, `https://127.0.0.1:${apiserver}`)
  const kubeConfig = kubeConfigOf(access, 'admin', access.adminToken('admin'))
  const kubeconfig = (user: string) => kubeconfigPath(folder, user)
  await writeFile(kubeconfig('admin'), kubeConfig.exportConfig(), { mode: 0o600 })
  const parts: Parts = {
    folder,
    binaries,
    processes,
    access,
    ports: { etcd, apiserver, kwok: 0 },
    kubeconfig,
  }
  const client = createClient(kubeConfig, { timeoutMs: 120_000 })
  const stop = async () => {
    await client.close()
    await processes.stop()
  }
  const responds = () =>
    processes.until('the API server', () => client.get(resources.namespace, { name: 'default' }))
  try {
    startEtcd(parts)
    await startApiServer(parts, { tunnel: undefined })
    await responds()
    const { certManager, fluid, kserve } = binaries.manifests
    const crds = [...(await kustomized('base')), ...fluid.crds, ...kserve.crds, ...certManager.crds]
    const wanted = crds.filter(({ metadata: { name = '' } }) => served.includes(name))
    await establish(client, processes, wanted)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    access: openCluster(folder),
    client,
    etcdUrl: `http://127.0.0.1:${etcd}`,
    async restart(program) {
      await processes.restart(program)
      await responds()
    },
    stop,
  }
}
