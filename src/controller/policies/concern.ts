import { byOwner } from '../../cluster/indexes.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import type { Change } from '../../kube/reflector.ts'
import { matchingPolicies, type Policy, parsePolicy } from '../../policy/policy.ts'
import { labelsOf, optedIn } from '../../policy/scope.ts'
import type { Labels } from '../../policy/selector.ts'
import { overrideAnnotation } from '../../values/keys.ts'
import type { KubeObject } from '../../values/object.ts'

/** What a changed policy may concern: it selects it now, or did before. */
export interface Concerned {
  namespaces: KubeObject[]
  services: KubeObject[]
  /** The Datasets that it retains. */
  datasets: KubeObject[]
}

/** Finds what a change of a policy may concern, so that nothing else is reconciled. */
export function concernedBy(mirror: Mirror, change: Change): Concerned {
  const states = change.type === 'updated' ? [change.before, change.object] : [change.object]
  const policies = states.flatMap((state) => parsed(state))
  const { name = '' } = change.object.metadata
  const found: Concerned = { namespaces: [], services: [], datasets: retainedBy(mirror, states) }
  for (const namespace of mirror.namespaces.list()) {
    const { name: where = '', labels = {} } = namespace.metadata
    const known = labelsOf(where, labels, mirror.systemNamespaces)
    const isConcerned = (service: KubeObject) =>
      // Without any policy the built-in one governs.
      mirror.parsedPolicies().length <= 1 ||
      service.metadata.annotations?.[overrideAnnotation('policy')] === name ||
      selects(policies, known, service.metadata.labels)
    const services = mirror.services.list(where).filter(isConcerned)
    found.services.push(...services)
    if (services.length > 0) found.namespaces.push(namespace)
  }
  return found
}

/** Also as if the namespace had opted in: a service that uses a cache is planned that way after an opt-out. */
function selects(policies: Policy[], namespace: Labels, service: Labels = {}): boolean {
  return [namespace, optedIn(namespace)].some(
    (labels) => matchingPolicies(policies, { namespace: labels, service }).length > 0,
  )
}

function parsed(object: KubeObject): Policy[] {
  const found = parsePolicy(object)
  return found.ok ? [found.policy] : []
}

function retainedBy({ datasets }: Mirror, states: KubeObject[]): KubeObject[] {
  const uids = new Set(states.flatMap(({ metadata: { uid } }) => uid ?? []))
  return [...uids].flatMap((uid) => datasets.by(byOwner, uid))
}
