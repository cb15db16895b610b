import { serviceOfPod } from '../kserve/pod.ts'
import type { KubeClient } from '../kube/client.ts'
import type { Change, Reflector } from '../kube/reflector.ts'
import { type LlmVersion, namespaced, type Resource } from '../kube/resources.ts'
import type { IndexFunction } from '../kube/store.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey } from '../values/object.ts'
import { cutOf } from './reduce.ts'

export class Services {
  readonly inference: Reflector
  readonly llm: Reflector

  constructor(inference: Reflector, llm: Reflector) {
    this.inference = inference
    this.llm = llm
  }

  list(namespace?: string): KubeObject[] {
    return [...this.inference.list(namespace), ...this.llm.list(namespace)]
  }

  /** As `list`, by a value of an index. */
  by(index: IndexFunction, value: string): KubeObject[] {
    return [...this.inference.by(index, value), ...this.llm.by(index, value)]
  }

  get(kind: string, key: ObjectKey): KubeObject | undefined {
    return (kind === 'LLMInferenceService' ? this.llm : this.inference).get(key)
  }

  byId(id: string): KubeObject | undefined {
    const [kind = '', namespace = '', name = ''] = id.split('/')
    return this.get(kind, { namespace, name })
  }

  onChange(react: (change: Change) => void): void {
    this.inference.onChange(react)
    this.llm.onChange(react)
  }

  /** Whether a service is too large: the mirror holds no spec of it. */
  isTooLarge(service: KubeObject): boolean {
    return cutOf(service) === 'TooLarge'
  }

  /**
   * Whether a service was read while its namespace was not open, so without its spec. Once open, it is read
   * again.
   */
  isClosed(service: KubeObject): boolean {
    return cutOf(service) === 'Closed'
  }

  /**
   * Whether a service that is not in the list is known not to exist: a kind that is not installed has none.
   */
  get hasSynced(): boolean {
    return this.inference.state === 'synced' && this.llm.state !== 'starting'
  }

  /** The service that KServe created a pod for. */
  ofPod(pod: KubeObject, namespace: string): KubeObject | undefined {
    const of = serviceOfPod(pod)
    return of && this.get(of.kind, { namespace, name: of.name })
  }
}

/** Unique among services of both kinds: an InferenceService and an LLMInferenceService may share a name. */
export function serviceId(service: KubeObject): string {
  return `${service.kind}/${keyText(keyOf(service))}`
}

/** Services of either kind, in the version in which they are known. */
export function serviceResource({ apiVersion, kind }: KubeObject): Resource {
  return namespaced(apiVersion, kind)
}

/** The newest version of LLMInferenceService that the cluster serves; if it serves none, the newest known. */
export async function servedLlmVersion(client: Pick<KubeClient, 'discover'>): Promise<LlmVersion> {
  for (const version of ['v1alpha2', 'v1alpha1'] as const) {
    const served = await client.discover('serving.kserve.io', version)
    if (served.includes('llminferenceservices')) return version
  }
  return 'v1alpha2'
}
