import { createHash } from 'node:crypto'
import { isOurs } from '../fluid/dataset.ts'
import type { Facts } from '../plan/facts.ts'
import { isBounded } from '../plan/service/size.ts'
import type { Policy } from '../policy/policy.ts'
import { type Json, type JsonObject, type KubeObject, objectAt } from '../values/object.ts'

type DigestKind = 'Spec' | 'Service' | 'Shown'

/**
 * Digests of what plans read. Equal digests mean equal plans, so a write to other fields (e.g. the progress
 * in a status of Fluid or KServe) causes no new plan. An object is digested once for each version.
 */
export class Fingerprints {
  readonly #objects: Record<DigestKind, WeakMap<KubeObject, string>> = {
    Spec: new WeakMap(),
    Service: new WeakMap(),
    Shown: new WeakMap(),
  }
  readonly #policies = new WeakMap<Policy, string>()

  /** A service, including the deployment mode in its status. */
  ofService(service: KubeObject): string {
    return this.#object(service, 'Service')
  }

  /**
   * The facts for one service, without `foreignClaims` and `foreignVolumes`: a plan reads only a few of them.
   */
  ofFacts(facts: Facts, recordsVersion: number): string {
    const { policies, datasets, runtimes, servingRuntimes, llmConfigs, sharedDatasets, unread, ...others } =
      facts
    const { namespace, namespaceLabels, installed, kserve, localModels, storageContainers, ...rest } = others
    const {
      serviceAccounts,
      secrets,
      mayFill,
      signer: _,
      foreignClaims: __,
      foreignVolumes: ___,
      ...forgotten
    } = rest
    // A new fact that is not part of the digest does not compile.
    forgotten satisfies { [field in keyof typeof forgotten]: never }
    const specs = (objects: KubeObject[]) => objects.map((object) => this.#object(object, 'Spec'))
    return digest([
      recordsVersion,
      {
        namespace,
        namespaceLabels,
        installed,
        kserve,
        localModels,
        storageContainers,
        unread: [...unread],
        mayFill,
      },
      policies.map((policy) => this.#policy(policy)),
      // Sort them, because their order is not stable.
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

  #object(object: KubeObject, part: DigestKind): string {
    const known = this.#objects[part].get(object)
    if (known !== undefined) return known
    const { uid, resourceVersion } = object.metadata
    const read = readOf(object, part)
    // JSON.stringify fails on objects that a tenant nests too deeply.
    const fresh = isBounded(read, Number.POSITIVE_INFINITY) ? digest(read) : `${uid} ${resourceVersion}`
    this.#objects[part].set(object, fresh)
    return fresh
  }
}

/**
 * The parts of an object that plans read. From a status: only the deployment mode, and whether a Dataset is
 * Bound.
 */
function readOf({ metadata, status, ...rest }: KubeObject, part: DigestKind): Json {
  const { resourceVersion: _, generation: __, ...identity } = metadata
  const { deploymentMode, annotations, phase, runtimes } = objectAt(status)
  const shown: Record<DigestKind, Json[]> = {
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

/** A set that records its lookups and their results. */
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

  /** Whether another set gives the same results for these lookups. */
  agreesWith(other: Pick<ReadonlySet<string>, 'has'>): boolean {
    return [...this.#answers].every(([name, answer]) => other.has(name) === answer)
  }
}
