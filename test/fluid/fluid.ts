// Stands in for Fluid's controllers (v1.0.8) of Dataset, JindoRuntime, AlluxioRuntime and DataLoad. Jindo's
// and Alluxio's engines exec into their own images, which a test does not have. It runs against a real API
// server with Fluid's own CRDs, and shows what a client of that API sees of Fluid: README.md lists the quirks
// that it imitates, with their sources, and what it leaves out. Nothing here caches or serves a byte.
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { hasStatus } from '../../src/kube/errors.ts'
import { WorkQueue } from '../../src/kube/queue.ts'
import { Reflector } from '../../src/kube/reflector.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import { createLogger, type Logger } from '../../src/telemetry/logger.ts'
import { type Clock, systemClock } from '../../src/values/clock.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey } from '../../src/values/object.ts'
import { Caches } from './cache.ts'
import { cachedClient } from './cached-client.ts'
import type { FluidContext } from './context.ts'
import { DataLoadController } from './dataload.ts'
import { reconcileDataset } from './dataset.ts'
import { FluidEvents } from './events.ts'
import { csiDriver, persistentVolume, runtimeKinds } from './kinds.ts'
import { Loader } from './loader.ts'
import { type FluidOptions, fluidDefaults } from './options.ts'
import { reconcileReference } from './reference.ts'
import { RuntimeController } from './runtime.ts'

export interface StartOptions {
  client: KubeClient
  clock?: Clock
  logger?: Logger
  options?: Partial<FluidOptions>
  /** The namespaces to reconcile, so that several stand-ins can share a cluster; all if unset. */
  covers?: (namespace: string) => boolean
}

export interface FluidStandIn {
  /** Changes speeds and failures, and reconciles everything again. */
  set(options: Partial<FluidOptions>): void
  stop(): Promise<void>
}

/** A controller: what it watches, and its work, one object at a time. */
interface Loop {
  watched: Reflector
  queue: WorkQueue
  enqueue: (object: KubeObject) => void
}

type Watch = (resource: Resource) => Reflector

/** Starts the stand-in. Resolves when it has synced with the API server, which must serve Fluid's CRDs. */
export async function startFluid({
  client: live,
  clock = systemClock,
  logger = createLogger('silent'),
  options = {},
  covers = () => true,
}: StartOptions): Promise<FluidStandIn> {
  let current: FluidOptions = { ...fluidDefaults, ...options }
  const watches = new Map<string, Reflector>()
  const watch = (resource: Resource) => {
    const made = new Reflector({ client: live, resource, clock, logger })
    watches.set(resource.plural, made)
    return made
  }
  const client = cachedClient(live, watches)
  const events = new FluidEvents({ client, clock, logger })
  const caches = new Caches(clock, () => current.bytesPerSecond)
  const context: FluidContext = { client, clock, logger, events, caches, covers, options: () => current }
  const loader = new Loader(context)
  const loops = toLoops(context, loader, watch)
  // Each sync looks whether the volume is still there.
  for (const resource of [persistentVolume, resources.persistentVolumeClaim]) watch(resource)
  await installDriver(client)
  for (const each of watches.values()) each.start()
  await Promise.all([...watches.values()].map(({ synced }) => synced))
  return {
    set(changes) {
      current = { ...current, ...changes }
      for (const { watched, enqueue } of loops) watched.list().forEach(enqueue)
    },
    async stop() {
      await Promise.all([...watches.values()].map((each) => each.stop()))
      await Promise.all([...loops.map(({ queue }) => queue.stop()), loader.stop()])
    },
  }
}

function toLoops(context: FluidContext, loader: Loader, watch: Watch): Loop[] {
  const dataLoads = new DataLoadController(context, loader)
  const loop = (resource: Resource, reconcile: Reconcile) => toLoop(context, watch(resource), reconcile)
  return [
    loop(resources.dataset, (key) => reconcileDataset(context, key)),
    ...runtimeKinds.map((kind) => {
      const runtimes = new RuntimeController(context, kind)
      return loop(kind.resource, (key) => runtimes.reconcile(key))
    }),
    loop(runtimeResources.Thin, (key) => reconcileReference(context, key)),
    loop(resources.dataLoad, (key) => dataLoads.reconcile(key)),
  ]
}

type Reconcile = (key: ObjectKey) => Promise<number | undefined>

function toLoop({ clock, logger, covers }: FluidContext, watched: Reflector, reconcile: Reconcile): Loop {
  const work = (text: string) => {
    const [namespace = '', name = ''] = text.split('/')
    return reconcile({ namespace, name })
  }
  const queue = new WorkQueue({ clock, logger, work })
  const enqueue = (object: KubeObject) => {
    if (covers(object.metadata.namespace ?? '')) queue.add(keyText(keyOf(object)))
  }
  watched.onChange(({ object }) => enqueue(object))
  return { watched, queue, enqueue }
}

/** From Fluid's chart. Without it Kubernetes would wait for volumes to be attached. */
async function installDriver(client: KubeClient): Promise<void> {
  const driver = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: 'fuse.csi.fluid.io' },
    spec: { attachRequired: false, podInfoOnMount: true },
  }
  try {
    await client.create(csiDriver, driver)
  } catch (error) {
    if (!hasStatus(error, 409)) throw error
  }
}
