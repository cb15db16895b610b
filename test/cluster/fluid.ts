import { mkdir, symlink } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/values/object.ts'
import type { Parts } from './control-plane.ts'
import { createAll } from './objects.ts'
import { fluidControllers } from './upstreams.ts'

const namespace = 'fluid-system'

/** Of Alluxio, the one engine whose pods run. */
export interface RealEngine {
  image: string
  /** How often Fluid looks at a Dataset: as its chart has it, or every two seconds, for tests. */
  isPatient: boolean
}

/**
 * Runs Fluid's controllers, as its chart does, except how often they update the cache states of a Dataset. They
 * find Helm on their PATH and their charts at home.
 */
export async function startFluidControllers(
  { folder, ...parts }: Parts,
  client: KubeClient,
  engine: RealEngine | undefined,
): Promise<void> {
  const home = join(folder, 'fluid')
  await mkdir(home)
  await symlink(parts.binaries.charts, join(home, 'charts'))
  await createAll(client, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, csiDriver])
  const env = {
    HOME: home,
    TMPDIR: home,
    PATH: [dirname(parts.binaries.path('ddc-helm')), process.env.PATH].join(delimiter),
    KUBECONFIG: parts.kubeconfig('fluid'),
    MY_POD_NAMESPACE: namespace,
    HELM_DRIVER: 'configmap',
    MOUNT_ROOT: '/runtime-mnt',
    QUERY_UFS_TOTAL: 'true',
    FLUID_SYNC_RETRY_DURATION: '2s',
    FLUID_RUNTIME_RECONCILE_DURATION: '10',
    ...(engine && withEngine(engine)),
  }
  for (const name of engine ? realControllers : fluidControllers)
    parts.processes.start({
      name,
      file: parts.binaries.path(name),
      args: ['start', ...common, ...flags[name]],
      env,
      restarts: true,
    })
}

/** Where a real node keeps Fluid's mounts: /srv is its own. */
export const mountRoot = '/srv'
const realControllers = ['fluid-dataset', 'fluid-alluxio'] as const

function withEngine({ image, isPatient }: RealEngine): { [name: string]: string } {
  const asInChart = { FLUID_SYNC_RETRY_DURATION: '15s', FLUID_RUNTIME_RECONCILE_DURATION: '90' }
  return {
    ALLUXIO_RUNTIME_IMAGE_ENV: image,
    ALLUXIO_FUSE_IMAGE_ENV: image,
    MOUNT_ROOT: mountRoot,
    ...(isPatient && asInChart),
  }
}

// Fluid's default of 20 requests per second would delay many parallel caches for minutes.
const common = ['--metrics-addr=0', '--development=false', '--kube-api-qps=200', '--kube-api-burst=400']
// Each of Fluid's three workers sleeps half a minute for a deleted Jindo cache; more workers avoid that wait.
const workers = '--runtime-workers=16'
// Fluid's own choice is random: two caches that hit on the same port keep each other's workers from a node.
const ports = '--port-allocate-policy=bitmap'

const flags: { [name in (typeof fluidControllers)[number]]: string[] } = {
  'fluid-dataset': [],
  'fluid-alluxio': [workers, ports],
  'fluid-efc': [workers],
  'fluid-jindo': [workers, ports],
  'fluid-juicefs': [workers, ports],
  'fluid-thin': [workers],
}

/** From Fluid's chart. Without it Kubernetes would wait for volumes to be attached. */
const csiDriver: KubeObject = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'CSIDriver',
  metadata: { name: 'fuse.csi.fluid.io' },
  spec: { attachRequired: false, podInfoOnMount: true },
}

const engine = fileURLToPath(new URL('engine.sh', import.meta.url))

// Whatever Fluid executes in its pods; what it does not find there fails.
const commands = ['alluxio', 'bash', 'cat', 'df', 'jindo', 'jindocache', 'mount', 'rm', 'sh', 'timeout']

/** The folder of the commands that Fluid's engines have in their images: each of them is engine.sh. */
export async function linkEngineCommands({ folder }: Pick<Parts, 'folder'>): Promise<string> {
  const bin = join(folder, 'engines')
  await mkdir(bin)
  await Promise.all(commands.map((command) => symlink(engine, join(bin, command))))
  return bin
}
