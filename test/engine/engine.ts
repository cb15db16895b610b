import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonObject, KubeObject } from '../../src/values/object.ts'
import { provideBinaries } from '../cluster/binaries.ts'
import { tunnelOf } from '../cluster/cluster.ts'
import { mountRoot } from '../cluster/fluid.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { enginePrograms } from '../cluster/upstreams.ts'
import { alluxioImage, csiImage, storageImage } from '../images/images.ts'
import type { LayeredImage } from '../node/images.ts'
import { type Network, startNetwork } from '../node/network.ts'
import { type RealNode, startNode } from '../node/node.ts'
import { type RealFluidCluster, startRealFluidCluster } from '../warmgate/test-cluster.ts'
import { driverPod } from './driver.ts'
import { accessKey, type Store, type StoreOptions, secretKey, startStore } from './store.ts'

export interface EngineOptions {
  nodes: number
  /** What the store's link carries, at most. */
  bytesPerSecond?: number
  /** How pods reach the store. */
  store?: Pick<StoreOptions, 'region' | 'tls'>
  /** Fluid polls as often as its chart has it, which takes longer. */
  isPatient?: boolean
  /** Images of the nodes besides those of a cache. */
  images?: readonly LayeredImage[]
  progress?: (line: string) => void
}

/** All that is between a model in a bucket and the pod that serves it, each part of it itself. */
export interface Engine {
  stage: RealFluidCluster
  network: Network
  nodes: RealNode[]
  store: Store
  stop(): Promise<void>
}

/**
 * Starts a control plane with KServe, Fluid and Warmgate, real nodes with Fluid's CSI driver, and an S3 server. Alluxio's
 * image is on the nodes.
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const { progress = () => {}, isPatient = false, images = [] } = options
  const stops: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const each of stops.splice(0).toReversed()) await each()
  }
  try {
    const binaries = await provideBinaries({ programs: enginePrograms, progress })
    const [alluxio, csi, storage] = [
      await alluxioImage(progress),
      await csiImage(binaries, progress),
      await storageImage(progress),
    ]
    const folder = await mkdtemp(join(tmpdir(), 'warmgate-store-'))
    stops.push(() => rm(folder, { recursive: true }))
    const engine = { image: alluxio.name, isPatient }
    const stage = await startRealFluidCluster({ nodes: 0, initContainerSeconds: 0, engine, progress })
    stops.push(() => stage.stop())
    const { client, cluster } = stage
    const { kubeConfig } = cluster
    const network = await startNetwork({ kubeConfig, tunnel: tunnelOf(cluster.dir), progress })
    stops.push(() => network.stop())
    const limit = options.bytesPerSecond
    const store = await startStore({
      network,
      folder,
      progress,
      ...options.store,
      ...(limit !== undefined && { bytesPerSecond: limit }),
    })
    stops.push(() => store.stop())
    await applyAll(client, [initializerOf(storage.name)])
    const nodes: RealNode[] = []
    for (let index = 1; index <= options.nodes; index++) {
      const name = `real-${index}`
      const node = await startNode({
        name,
        kubeConfig,
        network,
        images: [alluxio, csi, storage, ...images],
        progress,
      })
      stops.push(() => node.stop())
      nodes.push(node)
      await applyAll(client, [driverPod(node, csi.name)])
    }
    await until("Fluid's driver on every node", async () => {
      const found = await Promise.all(nodes.map(({ name }) => client.get(csiNode, { name })))
      return found.every((each) => JSON.stringify(each ?? {}).includes('fuse.csi.fluid.io')) || undefined
    })
    return { stage, network, nodes, store, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Takes what pods have read of a cache out of the node's page cache: the next one reads it from Alluxio. */
export async function forgetPages(node: RealNode | undefined, ns: string, cache: string): Promise<void> {
  const files = `${mountRoot}/alluxio/${ns}/${cache}/alluxio-fuse/*.safetensors`
  await node?.run(['sh', '-c', `for file in ${files}; do dd if="$file" iflag=nocache count=0; done`])
}

const csiNode = {
  group: 'storage.k8s.io',
  version: 'v1',
  plural: 'csinodes',
  kind: 'CSINode',
  namespaced: false,
}

/** KServe's own, but with the image that the nodes have. */
function initializerOf(image: string): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1alpha1',
    kind: 'ClusterStorageContainer',
    metadata: { name: 'default' },
    spec: { container: { name: 'storage-initializer', image, imagePullPolicy: 'IfNotPresent' } },
  }
}

/** A service account that reads the store as KServe's users have it, with its Secret. */
export function storeAccess(namespace: string, { endpoint, region }: Store): KubeObject[] {
  const { host, protocol } = new URL(endpoint)
  const annotations = {
    'serving.kserve.io/s3-endpoint': host,
    'serving.kserve.io/s3-usehttps': protocol === 'https:' ? '1' : '0',
    'serving.kserve.io/s3-region': region,
  }
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's3-access', namespace, annotations },
      stringData: { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey },
    },
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'reader', namespace },
      secrets: [{ name: 's3-access' }],
    },
  ]
}

/** What a cache may use on a machine that runs all of it: heaps are half of a memory limit. */
export const smallCache: JsonObject = {
  resources: {
    master: { requests: { cpu: '10m', memory: '64Mi' }, limits: { cpu: '2', memory: '768Mi' } },
    worker: { requests: { cpu: '10m', memory: '64Mi' }, limits: { cpu: '2', memory: '1Gi' } },
    fuse: { requests: { cpu: '10m', memory: '64Mi' }, limits: { cpu: '2', memory: '1Gi' } },
  },
  replicas: 1,
  tieredStore: [{ medium: 'SSD', quota: '6Gi' }],
}
