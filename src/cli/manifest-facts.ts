import { runtimes } from '../fluid/runtimes.ts'
import { isForeignClaim, isForeignVolume } from '../fluid/volume.ts'
import { type ServiceAccountFact, serviceAccountFact, serviceAccountNames } from '../kserve/account.ts'
import { type KserveConfig, kserveConfigName, parseKserveConfig } from '../kserve/config.ts'
import { storageContainerFacts } from '../kserve/custom-download.ts'
import { localModelFact } from '../kserve/local-model.ts'
import type { ModelLocation } from '../kserve/model-location.ts'
import { secretFact } from '../kserve/secret.ts'
import { readService } from '../kserve/service-view.ts'
import { resources } from '../kube/resources.ts'
import type { Facts, SharedDataset } from '../plan/facts.ts'
import { restored } from '../plan/service/original.ts'
import { trustingSigner } from '../plan/service/record.ts'
import { type SharedDatasetUse, sharedDatasetUses } from '../plan/service/shared-dataset.ts'
import { type Policy, parsePolicy } from '../policy/policy.ts'
import { labelsOf, optedIn } from '../policy/scope.ts'
import { getIn, type KubeObject } from '../values/object.ts'
import { quoted } from '../values/text.ts'
import { type Manifest, ManifestError } from './manifests.ts'

/** The facts for a plan, read from manifests instead of a cluster. */
export class ManifestFacts {
  readonly #objects: ObjectIndex
  readonly #policies: Policy[]
  readonly #kserve: KserveConfig
  readonly #namespaces = new Map<string, NamespaceFacts>()

  constructor(manifests: Manifest[]) {
    this.#objects = new ObjectIndex(manifests.map(({ object }) => object))
    this.#policies = manifests.filter(({ object }) => object.kind === 'AccelerationPolicy').map(toPolicy)
    this.#kserve = kserveConfig(this.#objects)
  }

  /**
   * For objects that are not in the files, assumes the case that allows acceleration: the namespace is opted
   * in, every runtime is installed, a service account lists no Secrets, a Dataset without a status is Bound,
   * and access to a shared Dataset is granted.
   */
  factsFor(service: KubeObject): Facts {
    const namespace = namespaceOf(service)
    const locations = this.#locationsOf(service)
    const accounts = serviceAccountNames(locations).map((name) => [name, this.#account(namespace, name).fact])
    return {
      ...this.#factsOf(namespace),
      namespace,
      policies: this.#policies,
      installed: ['datasets', 'dataloads', ...Object.values(runtimes).map(({ plural }) => plural)],
      kserve: this.#kserve,
      serviceAccounts: Object.fromEntries(accounts),
      sharedDatasets: sharedDatasetUses(locations, this.#policies, namespace).map((use) =>
        this.#sharedDataset(use),
      ),
      unread: new Set(),
      mayFill: true,
      signer: trustingSigner,
    }
  }

  /** Warnings about service accounts and Secrets of a service that are not in the files. */
  warningsFor(service: KubeObject): string[] {
    const namespace = namespaceOf(service)
    const names = serviceAccountNames(this.#locationsOf(service))
    return names.flatMap((name) => this.#account(namespace, name).warnings)
  }

  #locationsOf(service: KubeObject): ModelLocation[] {
    const { llmConfigs, servingRuntimes } = this.#factsOf(namespaceOf(service))
    const serving = { kserve: this.#kserve, llmConfigs, servingRuntimes }
    return readService(restored(service), serving).locations
  }

  /** Ignores Secrets of the platform, e.g. for its registry, which every exported service account lists. */
  #account(namespace: string, name: string): { fact: ServiceAccountFact; warnings: string[] } {
    const account = this.#objects.named('ServiceAccount', name, namespace)
    const fact: ServiceAccountFact = { ...serviceAccountFact(account, name), isFromFiles: true }
    const secrets = fact.secrets.map(
      (secret) => [secret, this.#objects.named('Secret', secret, namespace)] as const,
    )
    const absent = secrets.filter(([, secret]) => secret === undefined).map(([secret]) => secret)
    const label = `service account ${quoted(name)}`
    if (account === undefined && name !== 'default')
      return {
        fact,
        warnings: [`warmgate: ${label} is not among the files, and is assumed to list no Secrets: ${add}`],
      }
    const isEnough = secrets.some(([, secret]) => secret !== undefined && isForPeople(secret))
    if (!isEnough) return { fact, warnings: [] }
    return {
      fact: { ...fact, secrets: fact.secrets.filter((secret) => !absent.includes(secret)) },
      warnings: absent.map(
        (secret) =>
          `warmgate: Secret ${quoted(secret)}, which ${label} lists, is not among the files: ${add}`,
      ),
    }
  }

  #factsOf(namespace: string): NamespaceFacts {
    const known = this.#namespaces.get(namespace)
    if (known !== undefined) return known
    const facts = namespaceFacts(this.#objects, namespace)
    this.#namespaces.set(namespace, facts)
    return facts
  }

  #sharedDataset({ namespace, name, accounts }: SharedDatasetUse): SharedDataset {
    const of = (kind: string) => this.#objects.named(kind, name, namespace)
    const dataset = of('Dataset')
    return {
      namespace,
      name,
      dataset: dataset && asBound(dataset),
      runtimes: Object.values(runtimes).flatMap(({ kind }) => of(kind) ?? []),
      allowedAccounts: accounts,
    }
  }
}

const add = 'add it to the files if it is in the cluster'

/** Secrets with a type of Kubernetes contain a registry password or a token, and no keys of a store. */
function isForPeople({ type = 'Opaque' }: KubeObject): boolean {
  return typeof type !== 'string' || !type.startsWith('kubernetes.io/')
}

const clusterScoped = new Set(
  Object.values(resources).flatMap(({ kind, namespaced }) => (namespaced ? [] : [kind])),
)

/**
 * The namespace of an object. Cluster-scoped objects are stored under `default`; their namespace is ignored.
 */
function namespaceOf({ kind, metadata }: KubeObject): string {
  return clusterScoped.has(kind) ? 'default' : (metadata.namespace ?? 'default')
}

/**
 * Objects by kind, namespace and name, so that the cost of a service does not depend on the size of the
 * files.
 */
class ObjectIndex {
  readonly #kinds: Map<string, KubeObject[]>
  readonly #namespaced: Map<string, KubeObject[]>
  /** The last object with a name wins, as if all were applied in order. */
  readonly #named: Map<string, KubeObject>

  constructor(objects: KubeObject[]) {
    this.#kinds = Map.groupBy(objects, ({ kind }) => kind)
    this.#namespaced = Map.groupBy(objects, (object) => `${object.kind}/${namespaceOf(object)}`)
    this.#named = new Map(
      objects.map((object) => [
        `${object.kind}/${namespaceOf(object)}/${object.metadata.name ?? ''}`,
        object,
      ]),
    )
  }

  all(kind: string): KubeObject[] {
    return this.#kinds.get(kind) ?? []
  }

  in(namespace: string, kind: string): KubeObject[] {
    return this.#namespaced.get(`${kind}/${namespace}`) ?? []
  }

  named(kind: string, name: string, namespace = 'default'): KubeObject | undefined {
    return this.#named.get(`${kind}/${namespace}/${name}`)
  }
}

type NamespaceFacts = Omit<
  Facts,
  | 'namespace'
  | 'policies'
  | 'installed'
  | 'kserve'
  | 'serviceAccounts'
  | 'sharedDatasets'
  | 'unread'
  | 'mayFill'
  | 'signer'
>

function namespaceFacts(objects: ObjectIndex, namespace: string): NamespaceFacts {
  const here = (kind: string) => objects.in(namespace, kind)
  const declared = objects.named('Namespace', namespace)
  const claims = here('PersistentVolumeClaim').filter(isForeignClaim)
  return {
    namespaceLabels: labelsOf(namespace, declared === undefined ? optedIn({}) : declared.metadata.labels),
    secrets: Object.fromEntries(here('Secret').map((secret) => [secret.metadata.name, secretFact(secret)])),
    llmConfigs: {
      own: here('LLMInferenceServiceConfig'),
      shared: objects.all('LLMInferenceServiceConfig').filter((config) => namespaceOf(config) !== namespace),
    },
    servingRuntimes: { own: here('ServingRuntime'), cluster: objects.all('ClusterServingRuntime') },
    storageContainers: storageContainerFacts(objects.all('ClusterStorageContainer')),
    localModels: [...here('LocalModelNamespaceCache'), ...objects.all('LocalModelCache')].map(localModelFact),
    foreignClaims: new Set(claims.map((claim) => claim.metadata.name ?? '')),
    foreignVolumes: {
      has: (name) => {
        const volume = objects.named('PersistentVolume', name)
        return volume !== undefined && isForeignVolume(volume, namespace)
      },
    },
    datasets: here('Dataset').map(asBound),
    runtimes: Object.values(runtimes).flatMap(({ kind }) => here(kind)),
  }
}

/**
 * KServe's configuration in the files. The default mode is Standard, because Knative may refuse KServe's
 * volumes.
 */
function kserveConfig(objects: ObjectIndex): KserveConfig {
  const configMap = objects.all('ConfigMap').findLast(({ metadata }) => metadata.name === kserveConfigName)
  const config = parseKserveConfig(configMap)
  return configMap === undefined ? { ...config, deploymentMode: 'Standard' } : config
}

function asBound(dataset: KubeObject): KubeObject {
  return dataset.status === undefined ? { ...dataset, status: { phase: 'Bound' } } : dataset
}

function toPolicy({ object, place }: Manifest): Policy {
  const parsed = parsePolicy(object)
  if (parsed.ok) return parsed.policy
  const isBare = typeof getIn(object, 'spec', 'mode') === 'boolean'
  const hint = isBare ? '; without quotes kubectl reads Off as false' : ''
  throw new ManifestError(
    place,
    `AccelerationPolicy ${object.metadata.name ?? ''}: ${parsed.problems.join('; ')}${hint}`,
  )
}
