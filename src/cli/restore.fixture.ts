import { cacheName, fakeDataLoad, fakeDataset, fakePod, openNamespace } from '../cluster/cluster.fake.ts'
import { webhookSelects } from '../cluster/webhook-scope.ts'
import { serviceOfPod } from '../kserve/pod.ts'
import { FakeApi } from '../kube/api.fake.ts'
import { fakeFacts, fakeService } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type KubeObject, keyOf, stringAt } from '../values/object.ts'
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

/**
 * A cluster of these objects, in which KServe replaces the pods of a service that changed, and Fluid lets go
 * at once.
 */
export class RestoreFixture {
  readonly api = new FakeApi()
  readonly clock = new FakeClock()
  /** False: pods of a changed service stay where they are. */
  rolls = true
  /** False if the webhook exists, but does not respond. */
  admits = true
  output = ''

  constructor(...objects: KubeObject[]) {
    this.api.put(openNamespace, ...objects)
    this.api.admit = ({ object, before }) => {
      if (object.kind !== 'InferenceService' || !this.#isAsked(object)) return object
      return plan({ service: object, ...(before && { previous: before }), facts: fakeFacts() }).service
    }
    this.api.onChange(({ type, object }) => {
      if (type === 'updated' && object.kind === 'InferenceService' && this.rolls) this.#roll(object)
      // By one with a storage initializer.
      if (type === 'deleted' && object.kind === 'Pod')
        this.api.put({
          ...podOf(serviceOfPod(object)?.name ?? '', `${object.metadata.name}-again`, []),
          spec: {},
        })
    })
  }

  /** Without what the API server adds. */
  get(kind: string, name: string): KubeObject | undefined {
    const found = this.api.find(kind, { namespace: 'models', name })
    if (found === undefined) return undefined
    const { resourceVersion: _version, generation: _generation, ...metadata } = found.metadata
    return { ...found, metadata }
  }

  get events(): string[] {
    const events = this.api.calls.filter(({ text }) => text.startsWith('create Event'))
    return events.map(({ body }) => `${stringAt(body, 'reason')} ${stringAt(body, 'regarding', 'name')}`)
  }

  kinds(): string[] {
    const objects = this.api.all().filter(({ kind }) => kind !== 'Event')
    return objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
  }

  async run(options: Partial<Parameters<typeof runRestore>[0]> = {}): Promise<number> {
    const defaults = { podsOnly: false, dryRun: false, parallel: 1, timeoutMs: 60_000 }
    const scope = { namespace: undefined, services: [] }
    const webhookConfiguration = 'acceleration.warmgate.dev'
    const { signal } = new AbortController()
    const base = { client: this.api, clock: this.clock, signal, scope, webhookConfiguration }
    const write = (text: string) => (this.output += text)
    const running = runRestore({ ...base, ...defaults, ...options }, { stdout: { write } })
    let isOver = false
    void running.then(() => (isOver = true))
    for (let step = 0; step < 500 && !isOver; step++) await this.clock.advance(1_000)
    return await running
  }

  /** Whether the webhook exists, selects the service's namespace, and responds. */
  #isAsked({ metadata }: KubeObject): boolean {
    const configuration = this.api.find(webhook.kind, keyOf(webhook))
    const namespace = this.api.find('Namespace', { name: metadata.namespace ?? '' })
    const labels = namespace?.metadata.labels ?? {}
    return this.admits && configuration !== undefined && webhookSelects(configuration, labels)
  }

  #roll({ metadata }: KubeObject): void {
    for (const pod of this.api.all('Pod'))
      if (serviceOfPod(pod)?.name === metadata.name) this.api.drop('Pod', keyOf(pod))
  }
}
