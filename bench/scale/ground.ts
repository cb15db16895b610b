import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import type { KubeClient } from '../../src/kube/client.ts'
import { createClient } from '../../src/kube/http.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import type { KubeObject } from '../../src/values/object.ts'
import { startBareApi } from '../../test/cluster/bare-api.ts'
import { kubeconfigOf } from '../../test/cluster/kubeconfig.ts'
import { resourceOf } from '../../test/cluster/objects.ts'
import { ScaleApi } from './api.ts'
import { storeAll } from './etcd.ts'
import {
  type CacheNames,
  credentialsOf,
  groundObjects,
  podObject,
  type Size,
  serviceObject,
} from './objects.ts'

/** A cluster of some size, and the ways into it. */
export interface Ground {
  kubeconfig: string
  client: KubeClient
  stop(): Promise<void>
}

const webhook: KubeObject = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  metadata: { name: 'acceleration.warmgate.dev' },
  webhooks: [],
}

// An API server takes minutes for all CRDs of KServe and Fluid; those that are missing count as not installed.
const servedCrds = [
  'accelerationpolicies.warmgate.dev',
  'inferenceservices.serving.kserve.io',
  'datasets.data.fluid.io',
  'dataloads.data.fluid.io',
  'jindoruntimes.data.fluid.io',
]

type Stored = { resource: Resource; object: KubeObject }

/** Credentials, services and their pods, made as they are asked for. */
function* contents(size: Size): Generator<Stored> {
  for (let index = 0; index < size.caches; index++) {
    const [account, secret] = credentialsOf(index)
    yield { resource: resources.serviceAccount, object: account }
    yield { resource: resources.secret, object: secret }
  }
  const names: CacheNames = new Map()
  for (let index = 0; index < size.services; index++) {
    const service = serviceObject(index, size, names)
    yield { resource: resources.inferenceService, object: service }
    for (let pod = index; pod < size.pods; pod += size.services)
      yield { resource: resources.pod, object: podObject(pod, { services: size.services, service }) }
  }
}

/** An API server that costs next to nothing: for quick rounds. */
export async function fakeGround(size: Size): Promise<Ground> {
  const api = new ScaleApi()
  const dir = await mkdtemp(join(tmpdir(), 'warmgate-scale-'))
  const kubeconfig = join(dir, 'kubeconfig')
  await writeFile(kubeconfig, kubeconfigOf(await api.start()))
  const served = (names: string[]) => ({
    kind: 'APIResourceList',
    resources: names.map((name) => ({ name })),
  })
  api.document(
    '/apis/data.fluid.io/v1alpha1',
    served(['datasets', 'dataloads', 'jindoruntimes', 'alluxioruntimes']),
  )
  api.document('/apis/serving.kserve.io/v1alpha2', served(['llminferenceservices']))
  for (const object of [...groundObjects(), webhook]) api.put(pathOf(resourceOf(object), object), object)
  for (const { resource, object } of contents(size)) api.put(pathOf(resource, object), object)
  const kubeConfig = new KubeConfig()
  kubeConfig.loadFromFile(kubeconfig)
  const client = createClient(kubeConfig)
  return {
    kubeconfig,
    client,
    async stop() {
      await client.close()
      await api.stop()
      await rm(dir, { recursive: true })
    },
  }
}

/** A real API server and etcd, without any controller: nothing but the replica changes what is stored. */
export async function realGround(size: Size): Promise<Ground> {
  const api = await startBareApi(servedCrds)
  const { access, client, stop } = api
  try {
    for (const object of [...groundObjects(), webhook]) await client.create(resourceOf(object), object)
    await storeAll(api.etcdUrl, contents(size))
    return { kubeconfig: access.kubeconfig, client, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function pathOf({ group, version, plural }: Resource, { metadata: { namespace, name } }: KubeObject): string {
  const head = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  return `${head}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural}/${name}`
}
