import { unrecorded, withoutRecord } from '../../cluster/indexes.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import { serviceId } from '../../cluster/services.ts'
import type { KubeObject } from '../../values/object.ts'

interface Pass {
  generation: number | undefined
  /** The IDs of the services that have changed since. */
  changed: Set<string>
  /** When all services are due again, in milliseconds since 1970. */
  dueMs: number
}

/**
 * The services without a record that a policy is to look at: all of them from time to time, and in between those that have
 * changed. A policy or namespace that changes makes all of them due.
 */
export class AdoptionCandidates {
  readonly #mirror: Mirror
  readonly #resyncMs: number
  /** By the name of the policy. */
  readonly #passes = new Map<string, Pass>()

  constructor(mirror: Mirror, resyncMs: number) {
    this.#mirror = mirror
    this.#resyncMs = resyncMs
    mirror.services.onChange(({ type, object }) => {
      if (type !== 'deleted') for (const { changed } of this.#passes.values()) changed.add(serviceId(object))
    })
    mirror.namespaces.onChange(() => this.#passes.clear())
    mirror.policies.onChange(({ type, object, ...change }) => {
      const before = 'before' in change ? change.before : undefined
      if (type !== 'updated' || before?.metadata.generation !== object.metadata.generation)
        this.#passes.clear()
    })
  }

  /** The services to look at now, by their IDs; a later call answers those that have changed since. */
  take({ metadata: { name = '', generation } }: KubeObject, nowMs: number): KubeObject[] {
    const { services, records } = this.#mirror
    const pass = this.#passes.get(name)
    const isPartial = pass !== undefined && pass.generation === generation && nowMs < pass.dueMs
    const dueMs = isPartial ? pass.dueMs : nowMs + this.#resyncMs
    this.#passes.set(name, { generation, changed: new Set(), dueMs })
    const found = isPartial
      ? [...pass.changed].flatMap((id) => services.byId(id) ?? [])
      : services.by(withoutRecord, unrecorded)
    return found
      .filter((service) => !isPartial || records.of(service) === undefined)
      .toSorted((a, b) => (serviceId(a) < serviceId(b) ? -1 : 1))
  }

  /** All services are due for this policy: one was chosen, and the others were not looked at. */
  reset({ metadata: { name = '' } }: KubeObject): void {
    this.#passes.delete(name)
  }
}
