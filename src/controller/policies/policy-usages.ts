import { isDeepStrictEqual } from 'node:util'
import { namespaceLabels } from '../../cluster/facts.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import { serviceId } from '../../cluster/services.ts'
import type { Change } from '../../kube/reflector.ts'
import { type PolicyUsage, PolicyUsageCounter } from '../../policy/usage.ts'
import { type KubeObject, keyOf, keyText } from '../../values/object.ts'
import type { ErrorReporter } from '../errors.ts'

interface PolicyUsagesOptions {
  mirror: Mirror
  errors: ErrorReporter
}

/**
 * Which policy governs which services, kept with each change: only what has changed is read again. Counts nothing before
 * it is asked for the first time.
 */
export class PolicyUsages {
  readonly #options: PolicyUsagesOptions
  readonly #changed = new Set<string>()
  #counter: PolicyUsageCounter | undefined

  constructor(options: PolicyUsagesOptions) {
    this.#options = options
    const { mirror } = options
    mirror.services.onChange((change) => {
      if (!isSelectedAlike(change)) this.#mark(change.object)
    })
    mirror.namespaces.onChange(({ object }) => {
      for (const service of mirror.services.list(object.metadata.name)) this.#mark(service)
    })
    // Which services a policy governs depends on the others.
    mirror.policies.onChange((change) => {
      if (change.type !== 'updated' || !isDeepStrictEqual(change.before.spec, change.object.spec))
        this.#counter = undefined
    })
  }

  /** By the name of the policy. */
  read(): Map<string, PolicyUsage> {
    const { mirror } = this.#options
    if (this.#counter === undefined) {
      this.#counter = new PolicyUsageCounter(mirror.parsedPolicies())
      for (const service of mirror.services.list()) this.#changed.add(serviceId(service))
    }
    for (const id of this.#changed) this.#count(this.#counter, id)
    this.#changed.clear()
    return this.#counter.usages()
  }

  #mark(service: KubeObject): void {
    if (this.#counter !== undefined) this.#changed.add(serviceId(service))
  }

  #count(counter: PolicyUsageCounter, id: string): void {
    const { errors, mirror } = this.#options
    counter.remove(id)
    errors.each('policies', [mirror.services.byId(id) ?? []].flat(), (service) => {
      const { namespace = '', labels = {}, annotations = {} } = service.metadata
      const ofNamespace = namespaceLabels(mirror, namespace)
      const name = keyText(keyOf(service))
      counter.add(id, { name, namespaceLabels: ofNamespace, labels, annotations })
    })
  }
}

/** Whether a change leaves all that selects a policy as it is. */
function isSelectedAlike(change: Change): boolean {
  if (change.type !== 'updated') return false
  const [before, now] = [change.before.metadata, change.object.metadata]
  return isDeepStrictEqual([before.labels, before.annotations], [now.labels, now.annotations])
}
