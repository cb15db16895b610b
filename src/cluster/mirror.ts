import { loadJobSelector } from '../fluid/job.ts'
import type { RuntimeName } from '../fluid/runtimes.ts'
import { kserveConfigName } from '../kserve/config.ts'
import { downloadPart } from '../kserve/download.ts'
import { llmSelector, serviceLabel } from '../kserve/pod.ts'
import type { KubeClient } from '../kube/client.ts'
import { Reflector } from '../kube/reflector.ts'
import {
  type LlmVersion,
  llmInferenceService,
  llmInferenceServiceConfig,
  type Resource,
  resources,
} from '../kube/resources.ts'
import { Union } from '../kube/union.ts'
import { originalAnnotation } from '../plan/original.ts'
import type { RecordSigner } from '../plan/record.ts'
import { type Policy, parsePolicy } from '../policy/policy.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type Clock, pause } from '../values/clock.ts'
import { type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { Records } from './records.ts'
import { runtimeResources } from './runtimes.ts'
import { Services } from './services.ts'

export interface MirrorOptions {
  client: KubeClient
  clock: Clock
  logger: Logger
  kserveNamespace: string
  /** Namespaces of the cluster's own, where they have other names than the usual ones. */
  systemNamespaces?: readonly string[]
  /** The version of LLMInferenceService to speak; the newest that the cluster serves. */
  llmVersion: LlmVersion
  /** Tells the records that admission wrote on services. */
  signer: RecordSigner & { readonly version?: number }
}

const rediscoverMs = 30_000
const settlingMs = 50

/**
 * What Warmgate knows of the cluster without asking: a local copy of each resource that plans and holds read.
 * Admission answers from it; so does the controller, which is woken by its changes.
 */
export class Mirror {
  readonly namespaces: Reflector
  readonly policies: Reflector
  readonly claims: Reflector
  readonly volumes: Reflector
  readonly configMaps: Reflector
  readonly services: Services
  /** What admission recorded on them. */
  readonly records: Records
  readonly servingRuntimes: Reflector
  readonly clusterServingRuntimes: Reflector
  readonly llmConfigs: Reflector
  readonly llmVersion: LlmVersion
  readonly localModelCaches: Reflector
  readonly localModelNamespaceCaches: Reflector
  /** Those of InferenceServices and of LLMInferenceServices. */
  readonly pods: Union
  readonly datasets: Reflector
  readonly dataLoads: Reflector
  /** The Jobs by which Fluid carries DataLoads out. */
  readonly loadJobs: Reflector
  readonly runtimes: Record<RuntimeName, Reflector>
  readonly systemNamespaces: readonly string[]
  /** Plural names of the resources that the cluster serves in data.fluid.io. */
  fluidResources: string[] = []

  readonly #options: MirrorOptions
  readonly #servicePods: Reflector
  readonly #llmPods: Reflector
  #parsedPolicies: Policy[] | undefined
  #isDiscovered = false
  #cancelDiscovery = () => {}

  constructor(options: MirrorOptions) {
    this.#options = options
    this.systemNamespaces = options.systemNamespaces ?? []
    const { client, clock, logger, kserveNamespace, llmVersion } = options
    const follow = (resource: Resource, more: object = {}) =>
      new Reflector({ client, clock, logger, resource, ...more })
    this.namespaces = follow(resources.namespace, { reduce: onlyMetadata })
    this.policies = follow(resources.accelerationPolicy)
    this.claims = follow(resources.persistentVolumeClaim, { reduce: onlyMetadata })
    this.volumes = follow(resources.persistentVolume, { reduce: withoutSource })
    const fieldSelector = `metadata.name=${kserveConfigName}`
    this.configMaps = follow(resources.configMap, { select: { namespace: kserveNamespace, fieldSelector } })
    this.records = new Records(options.signer)
    this.services = new Services(follow(resources.inferenceService), follow(llmInferenceService(llmVersion)))
    this.servingRuntimes = follow(resources.servingRuntime)
    this.clusterServingRuntimes = follow(resources.clusterServingRuntime)
    this.llmVersion = llmVersion
    this.llmConfigs = follow(llmInferenceServiceConfig(llmVersion))
    this.localModelCaches = follow(resources.localModelCache)
    this.localModelNamespaceCaches = follow(resources.localModelNamespaceCache)
    const pods = (labelSelector: string) =>
      follow(resources.pod, { select: { labelSelector }, reduce: servingPod })
    this.#servicePods = pods(serviceLabel)
    this.#llmPods = pods(llmSelector)
    this.pods = new Union(this.#servicePods, this.#llmPods)
    this.datasets = follow(resources.dataset)
    this.dataLoads = follow(resources.dataLoad)
    this.loadJobs = follow(resources.job, { select: { labelSelector: loadJobSelector }, reduce: withoutSpec })
    this.runtimes = followAll(follow)
    this.policies.onChange(() => {
      this.#parsedPolicies = undefined
    })
  }

  /**
   * The policies, read. The CRD admits nothing that does not parse; a policy of an older schema is left out
   * rather than guessed at.
   */
  parsedPolicies(): Policy[] {
    this.#parsedPolicies ??= this.policies.list().flatMap((object) => {
      const parsed = parsePolicy(object)
      return parsed.ok ? [parsed.policy] : []
    })
    return this.#parsedPolicies
  }

  start(): void {
    for (const reflector of this.#reflectors()) reflector.start()
    void this.#discover()
  }

  async stop(): Promise<void> {
    this.#cancelDiscovery()
    await Promise.all(this.#reflectors().map((reflector) => reflector.stop()))
  }

  /** What is not known yet. A resource that is not installed is known to be none. */
  missing(): string[] {
    const unsynced = Object.entries(this.#all()).filter(([, reflector]) => reflector.state === 'starting')
    return [...unsynced.map(([name]) => name), ...(this.#isDiscovered ? [] : ['discovery of data.fluid.io'])]
  }

  /** Resolves once nothing is missing, or when the signal aborts. */
  async settled(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.missing().length > 0) await pause(this.#options.clock, settlingMs, signal)
  }

  /** When the server was last heard of, by resource, in milliseconds since 1970. */
  lastHeardMs(): { [resource: string]: number } {
    return Object.fromEntries(
      Object.entries(this.#all()).map(([name, reflector]) => [name, reflector.lastHeardMs]),
    )
  }

  #all(): { [name: string]: Reflector } {
    const { namespaces, policies, claims, configMaps, services, datasets, dataLoads } = this
    const { loadJobs } = this
    const runtimes = Object.entries(this.runtimes) as [RuntimeName, Reflector][]
    const { localModelCaches, localModelNamespaceCaches } = this
    return {
      namespaces,
      accelerationpolicies: policies,
      persistentvolumeclaims: claims,
      persistentvolumes: this.volumes,
      configmaps: configMaps,
      inferenceservices: services.inference,
      llminferenceservices: services.llm,
      servingruntimes: this.servingRuntimes,
      clusterservingruntimes: this.clusterServingRuntimes,
      llminferenceserviceconfigs: this.llmConfigs,
      localmodelcaches: localModelCaches,
      localmodelnamespacecaches: localModelNamespaceCaches,
      pods: this.#servicePods,
      'pods of llminferenceservices': this.#llmPods,
      datasets,
      dataloads: dataLoads,
      jobs: loadJobs,
      ...Object.fromEntries(runtimes.map(([name, reflector]) => [runtimeResources[name].plural, reflector])),
    }
  }

  #reflectors(): Reflector[] {
    return Object.values(this.#all())
  }

  async #discover(): Promise<void> {
    const { client, clock, logger } = this.#options
    let againMs = rediscoverMs
    try {
      this.fluidResources = await client.discover('data.fluid.io', 'v1alpha1')
      this.#isDiscovered = true
    } catch (error) {
      logger.warn({ err: error }, 'cannot discover what Fluid serves; trying again')
      againMs = 1_000
    }
    this.#cancelDiscovery = clock.setTimer(() => void this.#discover(), againMs)
  }
}

function followAll(follow: (resource: Resource) => Reflector): Record<RuntimeName, Reflector> {
  const entries = Object.entries(runtimeResources).map(([name, resource]) => [name, follow(resource)])
  return Object.fromEntries(entries) as Record<RuntimeName, Reflector>
}

function onlyMetadata({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  return { apiVersion, kind, metadata }
}

/** A volume, and whose it is. */
function withoutSource({
  apiVersion,
  kind,
  metadata: { name, resourceVersion, uid },
  spec,
}: KubeObject): KubeObject {
  const { namespace, name: claim } = objectAt(spec, 'claimRef')
  const metadata = { name, resourceVersion, uid } as KubeObject['metadata']
  return { apiVersion, kind, metadata, spec: { claimRef: { namespace, name: claim } } }
}

function withoutSpec({ spec: _, ...object }: KubeObject): KubeObject {
  return object as KubeObject
}

/** Of the many pods of a cluster only what a hold is decided by is kept, and how long a download took. */
function servingPod(pod: KubeObject): KubeObject {
  const { apiVersion, kind, metadata, spec, status } = pod
  const download = downloadPart(pod)
  const { [originalAnnotation]: _, ...annotations } = metadata.annotations ?? {}
  const conditions = listAt(status, 'conditions').filter((condition) =>
    stringAt(condition, 'type')?.startsWith('warmgate.dev/'),
  )
  const volumes = listAt(spec, 'volumes').filter(
    (volume) => stringAt(volume, 'persistentVolumeClaim', 'claimName') !== undefined,
  )
  const names = volumes.map((volume) => stringAt(volume, 'name'))
  const volumeMounts = listAt(spec, 'containers')
    .flatMap((container) => listAt(container, 'volumeMounts'))
    .filter((mount) => names.includes(stringAt(mount, 'name')))
  const { readinessGates = [], schedulingGates = [] } = objectAt(spec)
  return {
    apiVersion,
    kind,
    metadata: { ...metadata, annotations },
    spec: { readinessGates, schedulingGates, volumes, containers: [{ volumeMounts }], ...download.spec },
    status: { phase: stringAt(status, 'phase'), conditions, ...download.status },
  }
}
