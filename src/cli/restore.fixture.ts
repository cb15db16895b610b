import { cacheName, fakeDataLoad, fakeDataset, fakePod, openNamespace } from '../cluster/cluster.fake.ts'
import { serviceOfPod } from '../kserve/pod.ts'
import type { KubeClient, ListOptions, PatchBody, WriteOptions } from '../kube/client.ts'
import { KubeError } from '../kube/errors.ts'
import type { Resource } from '../kube/resources.ts'
import { fakeFacts, fakeService } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type Json, type KubeObject, listAt, type ObjectKey, objectAt, stringAt } from '../values/object.ts'
import { runRestore } from './restore.ts'

export const manifest = fakeService({
  model: { modelFormat: { name: 'sklearn' }, storageUri: 's3://models/llama' },
})

/** As Warmgate admitted it, under another name and on the cache of these tests where that is asked for. */
export function accelerated(name = 'llama'): KubeObject {
  const service = { ...manifest, metadata: { ...manifest.metadata, name, uid: `uid-${name}` } }
  const text = JSON.stringify(plan({ service, facts: fakeFacts() }).service)
  return JSON.parse(text.replaceAll(/llama-[0-9a-f]{10}/g, cacheName))
}

export function podOf(service: string, name = `${service}-0`, claims = [cacheName]): KubeObject {
  const labels = { 'serving.kserve.io/inferenceservice': service, component: 'predictor' }
  const annotations = { 'warmgate.dev/caches': claims.join(','), 'warmgate.dev/original': '{}' }
  const pod = fakePod({ name, claims, labels, annotations })
  return { ...pod, status: { conditions: [{ type: 'Ready', status: 'True' }] } }
}

export function ownedBy(object: KubeObject, ...services: KubeObject[]): KubeObject {
  const ownerReferences = services.map(({ apiVersion, kind, metadata }) => ({
    apiVersion,
    kind,
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
  }))
  return { ...object, metadata: { ...object.metadata, ownerReferences } }
}

export const dataset = (...services: KubeObject[]) => ownedBy(fakeDataset(), ...services)
export const dataLoad = () => fakeDataLoad('Complete')
export const webhook: KubeObject = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  metadata: { name: 'acceleration.warmgate.dev' },
  webhooks: [{ namespaceSelector: { matchLabels: { 'warmgate.dev/acceleration': 'enabled' } } }],
}

/** A cluster of these objects, in which KServe replaces the pods of a service that changed, and Fluid lets go at once. */
export class RestoreScene {
  readonly objects = new Map<string, KubeObject>()
  readonly writes: string[] = []
  readonly events: string[] = []
  readonly clock = new FakeClock()
  /** By `verb plural/name`: the status with which the next such calls are refused. */
  readonly refusals = new Map<string, number[]>()
  /** False: pods of a changed service stay where they are. */
  rolls = true
  /** False: the webhook is there, and does not answer. */
  admits = true
  output = ''

  constructor(...objects: KubeObject[]) {
    for (const object of [openNamespace, ...objects]) this.put(object)
  }

  put(object: KubeObject): void {
    this.objects.set(idOf(object.kind, object.metadata.name ?? ''), object)
  }

  get(kind: string, name: string): KubeObject | undefined {
    return this.objects.get(idOf(kind, name))
  }

  kinds(): string[] {
    return [...this.objects.values()].map(({ kind, metadata }) => `${kind} ${metadata.name}`)
  }

  async run(options: Partial<Parameters<typeof runRestore>[0]> = {}): Promise<number> {
    const defaults = { podsOnly: false, dryRun: false, parallel: 1, timeoutMs: 60_000 }
    const scope = { namespace: undefined, services: [] }
    const webhookConfiguration = 'acceleration.warmgate.dev'
    const { signal } = new AbortController()
    const base = { client: this.#client(), clock: this.clock, signal, scope, webhookConfiguration }
    const write = (text: string) => (this.output += text)
    const running = runRestore({ ...base, ...defaults, ...options }, { stdout: { write } })
    let isOver = false
    void running.then(() => (isOver = true))
    for (let step = 0; step < 500 && !isOver; step++) await this.clock.advance(1_000)
    return await running
  }

  #client(): KubeClient {
    const client = {
      get: async ({ kind }: Resource, { name }: ObjectKey) => this.get(kind, name),
      list: async ({ kind }: Resource, { labelSelector = '' }: ListOptions = {}) => {
        const found = [...this.objects.values()].filter((object) => object.kind === kind)
        return { items: labelSelector.includes('llm') ? [] : found, resourceVersion: '1' }
      },
      discover: async () => [],
      replace: async (resource: Resource, object: KubeObject, options: WriteOptions = {}) => {
        this.#write('replace', resource, object.metadata.name ?? '')
        if (options.dryRun) return object
        this.put(object)
        if (this.rolls) this.#roll(object)
        return object
      },
      patch: async (
        resource: Resource,
        { name }: ObjectKey,
        { body }: PatchBody,
        options: WriteOptions = {},
      ) => {
        this.#write('patch', resource, name)
        if (resource.kind !== 'Pod') return this.#patchService(body, options, this.get(resource.kind, name))
        const pod = this.get('Pod', name)
        if (pod === undefined) throw new KubeError('patch pods', { status: 404, message: 'gone' })
        const spec = { ...objectAt(pod, 'spec') }
        if (listAt(body, 'spec', 'schedulingGates').length > 0) spec.schedulingGates = []
        const conditions = [...listAt(pod, 'status', 'conditions'), ...listAt(body, 'status', 'conditions')]
        this.put({ ...pod, spec, status: { ...objectAt(pod, 'status'), conditions } })
        return pod
      },
      create: async (resource: Resource, object: KubeObject) => {
        if (object.kind === 'Event') {
          this.events.push(`${stringAt(object, 'reason')} ${stringAt(object, 'regarding', 'name')}`)
          return object
        }
        const { name = '' } = object.metadata
        this.#write('evict', resource, name)
        this.#replacePod(name)
        return object
      },
      delete: async (resource: Resource, { name }: ObjectKey) => {
        this.#write('delete', resource, name)
        return this.objects.delete(idOf(resource.kind, name))
      },
    }
    return client as unknown as KubeClient
  }

  /** As the API server does: it merges, and then asks admission, if the webhook is there and answers. */
  #patchService(body: Json, { dryRun = false }: WriteOptions, before?: KubeObject): KubeObject {
    if (before === undefined) throw new KubeError('patch services', { status: 404, message: 'gone' })
    const { annotations = {}, ...metadata } = objectAt(body, 'metadata')
    const merged: KubeObject = {
      ...before,
      metadata: {
        ...before.metadata,
        ...metadata,
        annotations: { ...before.metadata.annotations, ...(annotations as { [key: string]: string }) },
      },
    }
    const isAsked = this.admits && this.get('MutatingWebhookConfiguration', 'acceleration.warmgate.dev')
    const facts = fakeFacts()
    const after = isAsked ? plan({ service: merged, previous: before, facts }).service : merged
    if (dryRun) return after
    this.put(after)
    if (this.rolls) this.#roll(after)
    return after
  }

  #write(verb: string, { plural }: Resource, name: string): void {
    const call = `${verb} ${plural}/${name}`
    const status = this.refusals.get(call)?.shift()
    if (status !== undefined) throw new KubeError(call, { status, message: 'refused' })
    this.writes.push(call)
  }

  #roll({ metadata }: KubeObject): void {
    for (const pod of [...this.objects.values()])
      if (pod.kind === 'Pod' && serviceOfPod(pod)?.name === metadata.name)
        this.#replacePod(pod.metadata.name ?? '')
  }

  /** By one with a storage initializer. */
  #replacePod(name: string): void {
    const pod = this.get('Pod', name)
    this.objects.delete(idOf('Pod', name))
    if (pod === undefined) return
    const next = podOf(serviceOfPod(pod)?.name ?? '', `${name}-again`, [])
    this.put({ ...next, spec: {} })
  }
}

function idOf(kind: string, name: string): string {
  return `${kind} ${name}`
}
