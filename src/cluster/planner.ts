import { parseKserveConfig } from '../kserve/config.ts'
import type { SecretFact } from '../kserve/secret.ts'
import { oneReading } from '../kserve/service-view.ts'
import type { KubeClient } from '../kube/client.ts'
import type { Facts } from '../plan/facts.ts'
import { type Plan, type PlanInput, plan, type Ruling, settled } from '../plan/plan.ts'
import { isSettled } from '../plan/service/settled.ts'
import { isOpen, type Policy } from '../policy/policy.ts'
import { type PrewarmedModel, predictorOf } from '../policy/prewarm.ts'
import { optedIn } from '../policy/scope.ts'
import type { Clock } from '../values/clock.ts'
import { Memory } from '../values/memory.ts'
import { createdMs, isSameJson, type KubeObject, listAt, stringAt } from '../values/object.ts'
import { rememberLast } from '../values/remember.ts'
import { RecentCredentials } from './credentials.ts'
import { namespaceLabels, readFacts } from './facts.ts'
import { AskedSet, Fingerprints } from './fingerprints.ts'
import type { Mirror } from './mirror.ts'
import type { Freshness } from './recent-reads.ts'
import { serviceId } from './services.ts'
import type { FactsSources } from './sources.ts'

export interface PlannerOptions {
  mirror: Mirror
  client: KubeClient
  /** KServe's namespace, if an administrator names it. */
  kserveNamespace?: string | undefined
  clock: Pick<Clock, 'now'>
}

/** A service in an admission review. It may not be stored yet. */
export interface Review {
  service: KubeObject
  /** The namespace of the request, because the manifest may have none. */
  namespace: string
  signal: AbortSignal
}

/**
 * How a stored service is planned. New: as if it were created now. Existing: as an update that changes
 * nothing, so that it keeps its rewrites. Adopted: as an update that requests its adoption.
 */
type Mode = 'New' | 'Existing' | 'Adopted'
const modes: readonly Mode[] = ['New', 'Existing', 'Adopted']

interface RememberedOptions {
  optIn?: 'Asked' | 'Assumed'
  policies?: Policy[]
  signal?: AbortSignal | undefined
  rereadsMissing?: true
}

// How long a review uses the account and the Secrets that another one has read.
const reuseMs = 5_000

interface Remembered {
  fingerprint: string
  claims: AskedSet
  volumes: AskedSet
  plan: Plan
}

// A plan takes about 3 KiB for one location, and 120 KiB for 64. Objects that plans share are counted for
// each plan.
const planMemory = { totalBytes: 32 * 2 ** 20, valueBytes: 256 * 2 ** 10 }
const serviceMemory = { totalBytes: 4 * 2 ** 20, valueBytes: 2 ** 10 }

/**
 * Plans services: reads the facts and decides on them. Planning never writes to the cluster.
 *
 * Every admission review is planned again. Plans of stored services are kept until something that they read
 * changes, and credentials are kept for a minute: a reconcile without changes makes no API call and no plan.
 */
export class Planner {
  readonly #sources: FactsSources
  readonly #clock: Pick<Clock, 'now'>
  readonly #fingerprints = new Fingerprints()
  readonly #plans = new Memory<Remembered>(planMemory)
  /** When each service was last observed to change. */
  readonly #seen = new Memory<{ fingerprint: string; sinceMs: number }>(serviceMemory)

  #planned = 0

  constructor({ mirror, client, kserveNamespace, clock }: PlannerOptions) {
    const recent = new RecentCredentials(clock)
    const kserveConfig = rememberLast(parseKserveConfig)
    this.#sources = { mirror, client, kserveNamespace, recent, kserveConfig }
    this.#clock = clock
    mirror.services.onChange(({ type, object }) => {
      if (type === 'deleted') this.#forget(object)
    })
  }

  /** How many plans were computed; a remembered plan does not count again. */
  get planned(): number {
    return this.#planned
  }

  /** How many plans are remembered. */
  get size(): number {
    return this.#plans.size
  }

  /**
   * A new service. Its Secret may be milliseconds old: what is missing is read from the API server, and what was
   * there seconds ago counts only if the service is accelerated as a whole with it. So services that are created
   * one after another with the same credentials cost no calls.
   */
  async create(review: Review): Promise<Plan> {
    let isReused = false
    const onReused = () => {
      isReused = true
    }
    const reuse = { sinceMs: this.#clock.now() - reuseMs, onReused }
    const first = await this.#created(review, { kind: 'Live', reuse })
    return isReused && !isWhole(first) ? await this.#created(review, { kind: 'Live' }) : first
  }

  async #created({ service, namespace, signal }: Review, freshness: Freshness): Promise<Plan> {
    const read = oneReading()
    const facts = await readFacts(this.#sources, service, { namespace, freshness, signal }, read)
    return this.#plan({ service, facts, read })
  }

  /**
   * An update. Reads credentials from the API server, because a new model may come with a new Secret. An
   * update that changes neither spec nor annotations (e.g. KServe's finalizer) keeps every rewrite, so recent
   * reads are enough. If the service is settled, nothing is read or
   * planned.
   */
  async update({ service, previous, namespace, signal }: Review & { previous: KubeObject }): Promise<Ruling> {
    const { mirror } = this.#sources
    const known = {
      namespace,
      namespaceLabels: namespaceLabels(mirror, namespace),
      signer: mirror.records.signer,
    }
    if (isSettled({ service, previous }, known)) return settled
    const isUnchanged =
      isSameJson(service.spec, previous.spec) &&
      isSameJson(service.metadata.annotations, previous.metadata.annotations)
    const freshness: Freshness = isUnchanged ? { kind: 'Recent', sinceMs: 0 } : { kind: 'Live' }
    const facts = await readFacts(this.#sources, service, { namespace, freshness, signal })
    return this.#plan({ service, previous, facts })
  }

  /** A stored service as if it were created again now. */
  async recreated(service: KubeObject): Promise<Plan> {
    return await this.#remembered(service, 'New')
  }

  /** A stored service, keeping its existing rewrites. */
  async existing(service: KubeObject): Promise<Plan> {
    return await this.#remembered(service, 'Existing')
  }

  /** A stored service as if it were adopted now. Admission plans the adoption again, with live reads. */
  async adoption(service: KubeObject): Promise<Plan> {
    return await this.#remembered(service, 'Adopted')
  }

  /**
   * Whether a stored service names a service account or Secret with a later creationTimestamp (whole
   * seconds).
   */
  async credentialsCameLater(service: KubeObject): Promise<boolean> {
    const bornMs = createdMs(service)
    const named = await this.#credentialsOf(service)
    return bornMs > 0 && named.some(({ createdMs: ms = 0 }) => ms >= bornMs)
  }

  /** Whether a service account that a stored service names was created at this time or later, or a Secret written. */
  async credentialsWrittenSince(service: KubeObject, sinceMs: number): Promise<boolean> {
    const named = await this.#credentialsOf(service)
    return named.some(({ createdMs: bornMs = 0, writtenMs: ms = bornMs }) => ms >= sinceMs)
  }

  async #credentialsOf(service: KubeObject): Promise<Pick<SecretFact, 'createdMs' | 'writtenMs'>[]> {
    const { namespace = '' } = service.metadata
    const freshness: Freshness = { kind: 'Recent', sinceMs: this.#unchangedSinceMs(service) }
    const facts = await readFacts(this.#sources, service, { namespace, freshness, signal: undefined })
    return [
      ...Object.values(facts.serviceAccounts),
      ...Object.values(facts.secrets),
      ...configurationsOf(service, facts),
    ]
  }

  /** A stored service as if it were adopted now, with live reads. */
  async adoptionNow(service: KubeObject): Promise<Plan> {
    const { namespace = '' } = service.metadata
    const freshness: Freshness = { kind: 'Live' }
    const facts = await readFacts(this.#sources, service, { namespace, freshness, signal: undefined })
    return this.#plan({ ...inputOf(service, 'Adopted'), facts })
  }

  /**
   * A stored service under `rewrite: Pod`, for a new pod. Recent reads are enough: they are newer than the
   * service, and a Secret that changed later only gives the name of a cache that does not exist yet. Missing
   * objects are read again, because KServe creates the pod once they exist.
   */
  async podRewrite(service: KubeObject, signal: AbortSignal | undefined): Promise<Plan> {
    return await this.#remembered(service, 'Existing', { signal, rereadsMissing: true })
  }

  /**
   * A stored service that uses caches, also if its namespace has opted out since. A service without a record
   * is being adopted, or its pods are rewritten.
   */
  async cacheUser(service: KubeObject): Promise<Plan> {
    const isRecorded = this.#sources.mirror.records.of(service) !== undefined
    return await this.#remembered(service, isRecorded ? 'Existing' : 'Adopted', { optIn: 'Assumed' })
  }

  /**
   * A model that a policy warms ahead of its services, as a new service of the namespace that names it. Only this
   * policy counts, with whatever labels its services will have.
   */
  async prewarmed(policy: Policy, namespace: string, model: PrewarmedModel): Promise<Plan> {
    const { name, spec } = policy
    const policies = [{ name, spec: { ...spec, serviceSelector: {} } }]
    return await this.#remembered(futureService(name, namespace, model), 'New', { policies })
  }

  async #remembered(
    service: KubeObject,
    mode: Mode,
    { optIn = 'Asked', policies, signal, rereadsMissing }: RememberedOptions = {},
  ): Promise<Plan> {
    const { namespace = '' } = service.metadata
    const sinceMs = this.#unchangedSinceMs(service)
    const freshness: Freshness = { kind: 'Recent', sinceMs, ...(rereadsMissing && { rereadsMissing }) }
    const read = await readFacts(this.#sources, service, {
      ...{ namespace, freshness, signal },
      ...(policies && { policies }),
    })
    const facts = optIn === 'Assumed' ? withOptIn(read) : read
    const fingerprint = [
      this.#fingerprints.ofService(service),
      this.#fingerprints.ofFacts(facts, this.#sources.mirror.records.version),
    ].join()
    const key = planKey(service, mode)
    const known = this.#plans.get(key)
    if (known?.fingerprint === fingerprint && isSame(known, facts)) return withService(known.plan, service)
    const claims = new AskedSet(facts.foreignClaims)
    const volumes = new AskedSet(facts.foreignVolumes)
    const input = {
      ...inputOf(service, mode),
      facts: { ...facts, foreignClaims: claims, foreignVolumes: volumes },
    }
    const decided = this.#plan(input)
    // Do not keep the service: the mirror has it.
    const { service: planned, ...rest } = decided
    const measured = decided.patch.length === 0 ? rest : { ...rest, planned }
    this.#plans.set(key, { fingerprint, claims, volumes, plan: withService(decided, service) }, measured)
    return decided
  }

  #plan(input: PlanInput): Plan {
    this.#planned += 1
    return plan(input)
  }

  /**
   * A service may be created milliseconds after its Secret: ignore reads that are older than its last change.
   */
  #unchangedSinceMs(service: KubeObject): number {
    const id = serviceId(service)
    const fingerprint = this.#fingerprints.ofService(service)
    const known = this.#seen.get(id)
    if (known?.fingerprint === fingerprint) return known.sinceMs
    const seen = { fingerprint, sinceMs: this.#clock.now() }
    this.#seen.set(id, seen, seen)
    return seen.sinceMs
  }

  #forget(service: KubeObject): void {
    this.#seen.delete(serviceId(service))
    for (const mode of modes) this.#plans.delete(planKey(service, mode))
  }
}

/** When the runtime and the configurations that a service names were created. */
function configurationsOf(
  service: KubeObject,
  { llmConfigs, servingRuntimes }: Facts,
): { createdMs: number }[] {
  const bases = listAt(service, 'spec', 'baseRefs').map((ref) => stringAt(ref, 'name'))
  const names = new Set([stringAt(service, 'spec', 'predictor', 'model', 'runtime'), ...bases])
  const all = [servingRuntimes.own, servingRuntimes.cluster, llmConfigs.own, llmConfigs.shared].flat()
  return all
    .filter(({ metadata }) => names.has(metadata.name ?? ''))
    .map((object) => ({ createdMs: createdMs(object) }))
}

/** A service that is not stored. No object can have its name. */
function futureService(policy: string, namespace: string, model: PrewarmedModel): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { namespace, name: `of ${policy}: ${model.serviceAccount} ${model.uri}` },
    spec: { predictor: predictorOf(model) },
  }
}

/** Whether a plan leaves nothing of a service to KServe's download, and warns of nothing. */
function isWhole({ decision, skipped, unavailable, warnings }: Plan): boolean {
  return decision === 'accelerate' && [skipped, unavailable, warnings].every(({ length }) => length === 0)
}

function inputOf(service: KubeObject, mode: Mode): Omit<PlanInput, 'facts'> {
  return mode === 'New' ? { service } : { service, previous: service, isAdopted: mode === 'Adopted' }
}

function planKey(service: KubeObject, mode: Mode): string {
  return `${mode} ${serviceId(service)}`
}

function isSame({ claims, volumes }: Remembered, facts: Facts): boolean {
  return claims.agreesWith(facts.foreignClaims) && volumes.agreesWith(facts.foreignVolumes)
}

/** If a plan changes nothing, it returns the service as it is in the mirror now. */
function withService(planned: Plan, service: KubeObject): Plan {
  return planned.patch.length === 0 ? { ...planned, service } : planned
}

function withOptIn(facts: Facts): Facts {
  const { policies, namespaceLabels } = facts
  return isOpen(policies, namespaceLabels) ? facts : { ...facts, namespaceLabels: optedIn(namespaceLabels) }
}
