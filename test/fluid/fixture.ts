import { expect, onTestFinished, type TestContext } from 'vitest'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import {
  getIn,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  type OwnerReference,
  stringAt,
} from '../../src/values/object.ts'
import { coreEvent } from './kinds.ts'

export const gib = 2 ** 30

/** Reads again and again until what is read is as expected. A test waits for nothing else. */
export function eventually<T>(read: () => T, expects = expect) {
  // Poll less often in concurrent tests, because their reads alone load the API server.
  const pace = expects === expect ? { timeout: 60_000, interval: 50 } : { timeout: 240_000, interval: 500 }
  return expects.poll(read, pace)
}

/** A separate namespace for one test, with helpers to create and read its objects. */
export class FluidFixture {
  readonly client: KubeClient
  readonly namespace: string

  readonly #expect: TestContext['expect']

  constructor(client: KubeClient, namespace: string, expects: TestContext['expect']) {
    this.client = client
    this.namespace = namespace
    this.#expect = expects
  }

  /** @param context a concurrent test passes its own, so that its waits are reported as its own */
  static async open(
    client: KubeClient,
    namespace: string,
    context: Pick<TestContext, 'expect' | 'onTestFinished'> = { expect, onTestFinished },
  ): Promise<FluidFixture> {
    await client.create(resources.namespace, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace },
    })
    // Fluid would reconcile remaining objects forever, and slow later tests.
    context.onTestFinished(async () => {
      await client.delete(resources.namespace, { name: namespace })
    })
    return new FluidFixture(client, namespace, context.expect)
  }

  async create(
    resource: Resource,
    name: string,
    content: JsonObject & { ownerReferences?: OwnerReference[] },
  ): Promise<KubeObject> {
    const { ownerReferences = [], ...rest } = content
    const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
    const metadata = { name, namespace: this.namespace, ownerReferences }
    return await this.client.create(resource, { apiVersion, kind: resource.kind, metadata, ...rest })
  }

  dataset(name: string, mount: JsonObject = {}, spec: JsonObject = {}): Promise<KubeObject> {
    const mounts = [{ mountPoint: `s3://models/${name}/`, name, path: '/', ...mount }]
    return this.create(resources.dataset, name, { spec: { mounts, placement: 'Shared', ...spec } })
  }

  runtime(
    name: string,
    resource: Resource = runtimeResources.Jindo,
    spec: JsonObject = {},
  ): Promise<KubeObject> {
    const levels = [{ mediumtype: 'SSD', path: '/mnt/ssd0', quota: '50Gi', high: '0.95', low: '0.7' }]
    return this.create(resource, name, { spec: { replicas: 2, tieredstore: { levels }, ...spec } })
  }

  dataLoad(name: string, dataset: string, spec: JsonObject = {}): Promise<KubeObject> {
    const target = { name: dataset, namespace: this.namespace }
    return this.create(resources.dataLoad, name, { spec: { dataset: target, ...spec } })
  }

  /** A Dataset with its Runtime, once it is Bound. */
  async bound(name: string, runtime: Resource = runtimeResources.Jindo): Promise<KubeObject> {
    await this.dataset(name)
    await this.runtime(name, runtime)
    await this.expectPhase(resources.dataset, name, 'Bound')
    return await this.get(resources.dataset, name)
  }

  async find(resource: Resource, name: string): Promise<KubeObject | undefined> {
    return await this.client.get(resource, { namespace: this.namespace, name })
  }

  async get(resource: Resource, name: string): Promise<KubeObject> {
    const found = await this.find(resource, name)
    if (found === undefined) throw new Error(`there is no ${resource.kind} ${this.namespace}/${name}`)
    return found
  }

  async delete(resource: Resource, name: string): Promise<void> {
    await this.client.delete(resource, { namespace: this.namespace, name })
  }

  eventually<T>(read: () => T) {
    return eventually(read, this.#expect)
  }

  async expectPhase(resource: Resource, name: string, phase: string): Promise<void> {
    const read = async () => stringAt(await this.find(resource, name), 'status', 'phase')
    await this.eventually(read).toBe(phase)
  }

  async expectGone(resource: Resource, name: string): Promise<void> {
    await this.eventually(() => this.find(resource, name)).toBeUndefined()
  }

  /** How many Events with a reason Fluid recorded on an object. */
  async said(name: string, reason: string): Promise<number> {
    const { items } = await this.client.list(coreEvent, { namespace: this.namespace })
    const about = items.filter(
      (event) => stringAt(event, 'involvedObject', 'name') === name && stringAt(event, 'reason') === reason,
    )
    return about.reduce((sum, event) => sum + Number(getIn(event, 'count') ?? 0), 0)
  }

  async expectSaid(name: string, reason: string, times = 1): Promise<void> {
    await this.eventually(() => this.said(name, reason)).toBeGreaterThanOrEqual(times)
  }

  condition(object: KubeObject, type: string): Json | undefined {
    return listAt(object, 'status', 'conditions').find((one) => stringAt(one, 'type') === type)
  }
}

/** The spec of a pod that mounts a PVC and can run on any node. */
export function podSpec(claim: string): { spec: JsonObject } {
  return {
    spec: {
      containers: [{ name: 'server', image: 'server', volumeMounts: [{ name: 'model', mountPath: '/mnt' }] }],
      tolerations: [{ operator: 'Exists' }],
      volumes: [{ name: 'model', persistentVolumeClaim: { claimName: claim } }],
    },
  }
}
