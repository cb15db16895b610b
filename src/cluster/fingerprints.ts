import { createHash } from 'node:crypto'
import { isOurs } from '../fluid/dataset.ts'
import type { Facts } from '../plan/facts.ts'
import { isBounded } from '../plan/service/size.ts'
import type { Policy } from '../policy/policy.ts'
import { type Json, type JsonObject, type KubeObject, objectAt } from '../values/object.ts'

type Part = 'Spec' | 'Service' | 'Shown'

/**
 * Digests of what plans read. Two equal digests make equal plans, so that nothing is planned again for a write of what no
 * plan reads, such as the progress that Fluid and KServe report in a status. An object is read once while it is the same.
 */
export class Fingerprints {
  readonly #objects: Record<Part, WeakMap<KubeObject, string>> = {
    Spec: new WeakMap(),
    Service: new WeakMap(),
    Shown: new WeakMap(),
  }
  readonly #policies = new WeakMap<Policy, string>()

  /** A service, with what its status says of how KServe deploys it. */
  ofService(service: KubeObject): string {
    return this.#object(service, 'Service')
  }

  /** The facts for one service, except for `foreignClaims` and `foreignVolumes`: a plan asks for a few of these. */
  ofFacts(facts: Facts, recordsVersion: number): string {
    const { policies, datasets, runtimes, servingRuntimes, llmConfigs, sharedDatasets, unread, ...others } =
      facts
    const { namespace, namespaceLabels, installed, kserve, localModels, storageContainers, ...rest } = others
    const { serviceAccounts, secrets, signer: _, foreignClaims: __, foreignVolumes: ___, ...forgotten } = rest
    // A new fact does not compile before it is a part of the digest.
    forgotten satisfies { [field in keyof typeof forgotten]: never }
    const specs = (objects: KubeObject[]) => objects.map((object) => this.#object(object, 'Spec'))
    return digest([
      recordsVersion,
      { namespace, namespaceLabels, installed, kserve, localModels, storageContainers, unread: [...unread] },
      policies.map((policy) => this.#policy(policy)),
      // They arrive in any order.
      Object.entries(serviceAccounts).toSorted(byName),
      Object.entries(secrets).toSorted(byName),
      datasets.map((dataset) => this.#object(dataset, isOurs(dataset) ? 'Spec' : 'Shown')),
      specs(runtimes),
      [servingRuntimes.own, servingRuntimes.cluster, llmConfigs.own, llmConfigs.shared].map(specs),
      sharedDatasets.map(({ dataset, runtimes: theirs, ...rest }) => [
        rest,
        dataset === undefined ? '' : this.#object(dataset, 'Shown'),
        specs(theirs),
      ]),
    ])
  }

  #policy(policy: Policy): string {
    const known = this.#policies.get(policy)
    if (known !== undefined) return known
    const fresh = digest(policy)
    this.#policies.set(policy, fresh)
    return fresh
  }

  #object(object: KubeObject, part: Part): string {
    const known = this.#objects[part].get(object)
    if (known !== undefined) return known
    const { uid, resourceVersion } = object.metadata
    const read = readOf(object, part)
    // A tenant may nest an object deeper than JSON can be written.
    const fresh = isBounded(read, Number.POSITIVE_INFINITY) ? digest(read) : `${uid} ${resourceVersion}`
    this.#objects[part].set(object, fresh)
    return fresh
  }
}

/** What plans read of an object: of a status only how KServe deploys a service, or whether a Dataset shows its mounts. */
function readOf({ metadata, status, ...rest }: KubeObject, part: Part): Json {
  const { resourceVersion: _, generation: __, ...identity } = metadata
  const { deploymentMode, annotations, phase, runtimes } = objectAt(status)
  const shown: Record<Part, Json[]> = {
    Spec: [],
    Service: [deploymentMode ?? null, annotations ?? null],
    Shown: [phase === 'Bound', runtimes ?? null],
  }
  return [rest, identity as JsonObject, shown[part]]
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64')
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}

/** A set that remembers what it was asked, and what it answered. */
export class AskedSet {
  readonly #set: Pick<ReadonlySet<string>, 'has'>
  readonly #answers = new Map<string, boolean>()

  constructor(set: Pick<ReadonlySet<string>, 'has'>) {
    this.#set = set
  }

  has(name: string): boolean {
    const answer = this.#set.has(name)
    this.#answers.set(name, answer)
    return answer
  }

  /** Whether another set would have answered the same. */
  agreesWith(other: Pick<ReadonlySet<string>, 'has'>): boolean {
    return [...this.#answers].every(([name, answer]) => other.has(name) === answer)
  }
}
