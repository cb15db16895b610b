import { claimsOf, serviceOfPod } from '../kserve/pod.ts'
import { isHeld } from '../plan/pod/pod.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey } from '../values/object.ts'
import type { Mirror } from './mirror.ts'
import { serviceId } from './services.ts'

// More than any pod that a node could start: an annotation names as many as fit into it.
const mostClaims = 256

/**
 * The held pods, indexed by the claims that they mount, and by their services, so that a warm cache or a changed service
 * wakes only its own pods.
 */
export class HeldPods {
  readonly #pods = new Map<string, KubeObject>()
  /** By `namespace/claim`, by `namespace/`, and by the ID of a service: keys of pods. */
  readonly #groups = new Map<string, Set<string>>()

  constructor({ pods }: Pick<Mirror, 'pods'>) {
    for (const pod of pods.list()) if (isHeld(pod)) this.#put(pod)
    pods.onChange(({ type, object }) => {
      this.#drop(object)
      if (type !== 'deleted' && isHeld(object)) this.#put(object)
    })
  }

  get size(): number {
    return this.#pods.size
  }

  /** Keys of the pods that mount a claim. */
  of({ namespace = '', name }: ObjectKey): Iterable<string> {
    return this.#groups.get(`${namespace}/${name}`) ?? []
  }

  in(namespace: string): Iterable<string> {
    return this.#groups.get(`${namespace}/`) ?? []
  }

  ofService(service: KubeObject): Iterable<string> {
    return this.#groups.get(serviceId(service)) ?? []
  }

  all(): Iterable<string> {
    return this.#pods.keys()
  }

  #put(pod: KubeObject): void {
    const key = keyText(keyOf(pod))
    this.#pods.set(key, pod)
    for (const group of groupsOf(pod)) {
      const members = this.#groups.get(group) ?? new Set()
      this.#groups.set(group, members.add(key))
    }
  }

  #drop(pod: KubeObject): void {
    const key = keyText(keyOf(pod))
    const before = this.#pods.get(key)
    if (before === undefined) return
    this.#pods.delete(key)
    for (const group of groupsOf(before)) {
      const members = this.#groups.get(group)
      members?.delete(key)
      if (members?.size === 0) this.#groups.delete(group)
    }
  }
}

function groupsOf(pod: KubeObject): string[] {
  const { namespace = '' } = pod.metadata
  const claims = claimsOf(pod).slice(0, mostClaims)
  const of = serviceOfPod(pod)
  const service = of === undefined ? [] : [`${of.kind}/${keyText({ namespace, name: of.name })}`]
  return [`${namespace}/`, ...service, ...claims.map((claim) => `${namespace}/${claim}`)]
}
