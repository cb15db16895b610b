import { isDeepStrictEqual } from 'node:util'
import { fillJobSelector } from '../fill/job.ts'
import { reduceFillPod } from '../fill/stage.ts'
import { loadJobSelector } from '../fluid/job.ts'
import { alluxioPodSelector } from '../fluid/pods.ts'
import type { RuntimeName } from '../fluid/runtimes.ts'
import { cachePodSelector } from '../fluid/suspension.ts'
import { kserveConfigName, parseKserveConfig } from '../kserve/config.ts'
import { llmSelector, serviceLabel } from '../kserve/pod.ts'
import type { KubeClient } from '../kube/client.ts'
import { ForbiddenError } from '../kube/errors.ts'
import { Interner } from '../kube/interner.ts'
import { MergedReflector } from '../kube/merged-reflector.ts'
import { Reflector, type ReflectorOptions } from '../kube/reflector.ts'
import {
  type LlmVersion,
  llmInferenceService,
  llmInferenceServiceConfig,
  type Resource,
  resources,
} from '../kube/resources.ts'
import type { RecordSigner } from '../plan/service/record.ts'
import { isOpen, type Policy, parsePolicies } from '../policy/policy.ts'
import { labelsOf } from '../policy/scope.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type Clock, pause } from '../values/clock.ts'
import { type KubeObject, keyText, type ObjectKey } from '../values/object.ts'
import { byDataset } from './indexes.ts'
import { findKserve, kserveNamespaces } from './kserve-installation.ts'
import { Records } from './records.ts'
import {
  reduceClaim,
  reduceConfigMap,
  reduceGatedPod,
  reduceJob,
  reduceNamespace,
  reduceObject,
  reducePod,
  reduceReadyPod,
  reduceService,
  reduceVolume,
} from './reduce.ts'
import { runtimeResources } from './runtimes.ts'
import { Services } from './services.ts'

export interface MirrorOptions {
  client: KubeClient
  clock: Clock
  logger: Logger
  /** KServe's namespace, if an administrator names it; otherwise the default namespaces are searched. */
  kserveNamespace?: string | undefined
  /** More system namespaces, in addition to the default ones. */
  systemNamespaces?: readonly string[]
  /** The version of LLMInferenceService to speak; the newest that the cluster serves. */
  llmVersion: LlmVersion
  /** Verifies the records that admission wrote on services. */
  signer: RecordSigner & { readonly version?: number; readonly missing?: string | undefined }
}

const rediscoverMs = 30_000
const batchMs = 50
// An API server that has just started may forbid everything for a moment, until its authorizer has synced.
const forbiddenGraceMs = 60_000
const longestForbiddenStartMs = 120_000
const forbiddenCheckMs = 5_000

/**
 * A local copy of each resource that plans and holds read. Admission and the controller read from it, and its
 * changes wake the controller.
 */
export class Mirror {
  readonly namespaces: Reflector
  readonly policies: Reflector
  readonly claims: Reflector
  readonly volumes: Reflector
  readonly quotas: Reflector
  readonly limitRanges: Reflector
  readonly configMaps: Reflector
  readonly services: Services
  /** The records that admission wrote on services. */
  readonly records: Records
  readonly servingRuntimes: Reflector
  readonly clusterServingRuntimes: Reflector
  readonly llmConfigs: Reflector
  readonly storageContainers: Reflector
  readonly llmVersion: LlmVersion
  readonly localModelCaches: Reflector
  readonly localModelNamespaceCaches: Reflector
  /** The pods of InferenceServices and LLMInferenceServices. */
  readonly pods: MergedReflector
  readonly datasets: Reflector
  readonly dataLoads: Reflector
  /** The loading Jobs that Fluid creates for DataLoads. */
  readonly loadJobs: Reflector
  /** The Jobs that fill mirrors. */
  readonly fillJobs: Reflector
  /** The pods of these. */
  readonly fillPods: Reflector
  /** The pods of caches that have scheduling gates. */
  readonly gatedPods: Reflector
  /** The masters and workers of Alluxio that are ready. */
  readonly alluxioPods: Reflector
  readonly runtimes: Record<RuntimeName, Reflector>
  readonly systemNamespaces: readonly string[]
  /** Plural names of the resources that the cluster serves in data.fluid.io. */
  fluidResources: string[] = []

  readonly #options: MirrorOptions
  /** By the name of the resource, as metrics and /readyz show it. */
  readonly #reflectors = new Map<string, Reflector>()
  /**
   * Resources that are kept only in open namespaces, with the namespaces in which objects were cut or
   * dropped.
   */
  readonly #cutIn = new Map<Reflector, Set<string>>()
  readonly #openness = new Map<string, boolean>()
  readonly #stopping = new AbortController()
  #storageSecretAnnotation = parseKserveConfig(undefined).storageSecretAnnotation
  #parsedPolicies: Policy[] | undefined
  #isDiscovered = false
  /** Whether Fluid was there, and was not found when it was last asked for. */
  #isFluidMissed = false
  #cancelDiscovery = () => {}

  constructor(options: MirrorOptions) {
    this.#options = options
    this.systemNamespaces = options.systemNamespaces ?? []
    const { client, clock, logger, kserveNamespace, llmVersion } = options
    const interner = new Interner()
    const follow = (
      resource: Resource,
      { name = resource.plural, ...more }: Partial<ReflectorOptions> & { name?: string } = {},
    ) => {
      const options = { client, clock, logger, resource, reduce: reduceObject, interner, ...more }
      const reflector = new Reflector(options)
      this.#reflectors.set(name, reflector)
      return reflector
    }
    this.namespaces = follow(resources.namespace, { reduce: reduceNamespace })
    this.policies = follow(resources.accelerationPolicy)
    this.records = new Records(options.signer)
    this.claims = follow(resources.persistentVolumeClaim, { reduce: reduceClaim })
    this.volumes = follow(resources.persistentVolume, { reduce: reduceVolume })
    this.quotas = follow(resources.resourceQuota)
    this.limitRanges = follow(resources.limitRange)
    const where = kserveNamespace === undefined ? {} : { namespace: kserveNamespace }
    const select = { ...where, fieldSelector: `metadata.name=${kserveConfigName}` }
    const configNamespaces = kserveNamespaces(kserveNamespace)
    this.configMaps = follow(resources.configMap, {
      select,
      reduce: (each) => reduceConfigMap(each, configNamespaces),
    })
    const services = (resource: Resource) =>
      this.#followOpen((isOpen) =>
        follow(resource, {
          reduce: (service) =>
            reduceService(service, {
              // A forged record must not make the mirror keep a service in a namespace that is not open.
              isOpen: isOpen(service) || this.records.proven(service) !== undefined,
              storageSecretAnnotation: this.#storageSecretAnnotation,
            }),
        }),
      )
    this.services = new Services(
      services(resources.inferenceService),
      services(llmInferenceService(llmVersion)),
    )
    this.servingRuntimes = follow(resources.servingRuntime)
    this.clusterServingRuntimes = follow(resources.clusterServingRuntime)
    this.llmVersion = llmVersion
    this.llmConfigs = follow(llmInferenceServiceConfig(llmVersion))
    this.storageContainers = follow(resources.clusterStorageContainer)
    this.localModelCaches = follow(resources.localModelCache)
    this.localModelNamespaceCaches = follow(resources.localModelNamespaceCache)
    const pods = (labelSelector: string, name: string) =>
      this.#followOpen((isOpen) =>
        follow(resources.pod, {
          name,
          select: { labelSelector },
          reduce: (pod) => reducePod(pod, isOpen(pod)),
        }),
      )
    this.pods = new MergedReflector(
      pods(serviceLabel, 'pods'),
      pods(llmSelector, 'pods of llminferenceservices'),
    )
    this.datasets = follow(resources.dataset)
    this.dataLoads = follow(resources.dataLoad)
    this.loadJobs = follow(resources.job, { select: { labelSelector: loadJobSelector }, reduce: reduceJob })
    const fills = { select: { labelSelector: fillJobSelector } }
    this.fillJobs = follow(resources.job, { name: 'jobs that fill mirrors', ...fills, reduce: reduceJob })
    this.fillPods = follow(resources.pod, { name: 'pods that fill mirrors', ...fills, reduce: reduceFillPod })
    const ofCaches = { select: { labelSelector: cachePodSelector }, reduce: reduceGatedPod }
    this.gatedPods = follow(resources.pod, { name: 'pods of caches', ...ofCaches })
    const ofAlluxio = { select: { labelSelector: alluxioPodSelector }, reduce: reduceReadyPod }
    this.alluxioPods = follow(resources.pod, { name: 'pods of alluxioruntimes', ...ofAlluxio })
    const runtimes = Object.entries(runtimeResources).map(([name, resource]) => [name, follow(resource)])
    this.runtimes = Object.fromEntries(runtimes) as Record<RuntimeName, Reflector>
    this.policies.onChange((change) => {
      if (change.type === 'updated' && isDeepStrictEqual(change.before.spec, change.object.spec)) return
      this.#parsedPolicies = undefined
      this.#opened()
    })
    this.namespaces.onChange(() => this.#opened())
    this.configMaps.onChange(() => {
      const config = parseKserveConfig(findKserve(this, kserveNamespace).configMap)
      if (config.storageSecretAnnotation === this.#storageSecretAnnotation) return
      this.#storageSecretAnnotation = config.storageSecretAnnotation
      this.rereadServices()
    })
  }

  parsedPolicies(): Policy[] {
    this.#parsedPolicies ??= parsePolicies(this.policies.list())
    return this.#parsedPolicies
  }

  start(): void {
    for (const reflector of this.#reflectors.values()) if (!this.#cutIn.has(reflector)) reflector.start()
    void this.#startOpen()
    void this.#discover()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#cancelDiscovery()
    await Promise.all([...this.#reflectors.values()].map((reflector) => reflector.stop()))
  }

  /**
   * The resources that are not synced yet, or that the API server forbids. A resource that is not installed
   * counts as synced and empty.
   */
  unsynced(): string[] {
    const sinceMs = this.#options.clock.now() - forbiddenGraceMs
    const reasons = [...this.#reflectors].flatMap(([name, { state, forbidden }]) => {
      const isLost = forbidden !== undefined && (state === 'starting' || forbidden.sinceMs <= sinceMs)
      if (isLost) return [`${name} (${forbidden.verb} is forbidden)`]
      return state === 'starting' ? [name] : []
    })
    return [...reasons, ...(this.#isDiscovered ? [] : ['discovery of data.fluid.io'])]
  }

  /** Resolves once everything was read, or when the signal aborts. */
  async waitForSync(signal: AbortSignal): Promise<void> {
    const isStarting = () =>
      !this.#isDiscovered || [...this.#reflectors.values()].some(({ state }) => state === 'starting')
    while (!signal.aborted && isStarting()) await pause(this.#options.clock, batchMs, signal)
  }

  /** Whether the API server forbids to list or watch a resource now, by resource. */
  forbidden(): { [resource: string]: boolean } {
    return Object.fromEntries(
      [...this.#reflectors].map(([name, { forbidden }]) => [name, forbidden !== undefined]),
    )
  }

  /**
   * Resolves with the reason why this mirror cannot start: the API server has forbidden for two minutes what
   * was never read. Undefined when the signal aborts.
   */
  async waitForRefusal(signal: AbortSignal): Promise<ForbiddenError | undefined> {
    const { clock } = this.#options
    while (!signal.aborted) {
      const sinceMs = clock.now() - longestForbiddenStartMs
      const refused = [...this.#reflectors].flatMap(([name, { state, forbidden }]) =>
        state === 'starting' && forbidden !== undefined && forbidden.sinceMs <= sinceMs
          ? [`${forbidden.verb} ${name}`]
          : [],
      )
      if (refused.length > 0) return new ForbiddenError(refused)
      await pause(clock, forbiddenCheckMs, signal)
    }
    return undefined
  }

  /** The DataLoads that name a Dataset. */
  loadsOf(dataset: ObjectKey): KubeObject[] {
    return this.dataLoads.by(byDataset, keyText(dataset))
  }

  /** When the server was last heard of, by resource, in milliseconds since 1970. */
  lastHeardMs(): { [resource: string]: number } {
    return Object.fromEntries([...this.#reflectors].map(([name, reflector]) => [name, reflector.lastHeardMs]))
  }

  /** A reflector that keeps less of what is in namespaces where nothing is ever accelerated. */
  #followOpen(make: (isOpen: (object: KubeObject) => boolean) => Reflector): Reflector {
    const cutIn = new Set<string>()
    const reflector = make(({ metadata: { namespace = '' } }) => {
      const isOpen = this.#isOpen(namespace)
      if (!isOpen) cutIn.add(namespace)
      return isOpen
    })
    this.#cutIn.set(reflector, cutIn)
    return reflector
  }

  #isOpen(namespace: string): boolean {
    const known = this.#openness.get(namespace)
    if (known !== undefined) return known
    const labels = this.namespaces.get({ name: namespace })?.metadata.labels
    const answer = isOpen(this.parsedPolicies(), labelsOf(namespace, labels, this.systemNamespaces))
    this.#openness.set(namespace, answer)
    return answer
  }

  /** Policies or namespaces have changed: what was cut in a namespace that is open by now is read again. */
  #opened(): void {
    this.#openness.clear()
    for (const [reflector, cutIn] of this.#cutIn) {
      const open = [...cutIn].filter((namespace) => this.#isOpen(namespace))
      for (const namespace of open) cutIn.delete(namespace)
      if (open.length > 0) reflector.relist()
    }
  }

  /** Read again what was reduced by other rules: by keys of records, or KServe's configuration. */
  rereadServices(): void {
    for (const reflector of [this.services.inference, this.services.llm]) reflector.relist()
  }

  /** Once it is known which namespaces are open, and which records are proven. */
  async #startOpen(): Promise<void> {
    const first = [this.namespaces, this.policies, this.configMaps]
    const { signal } = this.#stopping
    const isStarting = () =>
      this.#options.signer.missing !== undefined || first.some(({ state }) => state === 'starting')
    while (isStarting() && !signal.aborted) await pause(this.#options.clock, batchMs, signal)
    // Before the first review needs them: the first time takes milliseconds.
    this.parsedPolicies()
    if (!signal.aborted) for (const reflector of this.#cutIn.keys()) reflector.start()
  }

  async #discover(): Promise<void> {
    const { client, clock, logger } = this.#options
    let delayMs = rediscoverMs
    try {
      const found = await client.discover('data.fluid.io', 'v1alpha1')
      // For a moment after its start an API server knows no CRD: ask again before believing that Fluid is gone.
      const isDoubtful = found.length === 0 && this.fluidResources.length > 0 && !this.#isFluidMissed
      this.#isFluidMissed = isDoubtful
      if (isDoubtful) delayMs = 1_000
      else this.fluidResources = found
      this.#isDiscovered = true
    } catch (error) {
      logger.warn({ err: error }, 'cannot discover what Fluid serves; trying again')
      delayMs = 1_000
    }
    this.#cancelDiscovery = clock.setTimer(() => void this.#discover(), delayMs)
  }
}
