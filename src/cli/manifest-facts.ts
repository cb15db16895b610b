import { runtimes } from '../fluid/runtimes.ts'
import { isForeignClaim, isForeignVolume } from '../fluid/volume.ts'
import { serviceAccountFact, serviceAccountNames } from '../kserve/account.ts'
import { type KserveConfig, kserveConfigName, parseKserveConfig } from '../kserve/config.ts'
import { localModelFact } from '../kserve/local-model.ts'
import { secretFact } from '../kserve/secret.ts'
import { readService } from '../kserve/service-view.ts'
import type { Facts, SharedDataset } from '../plan/facts.ts'
import { restored } from '../plan/service/original.ts'
import { trustingSigner } from '../plan/service/record.ts'
import { type SharedDatasetUse, sharedDatasetUses } from '../plan/service/shared-dataset.ts'
import { type Policy, parsePolicy } from '../policy/policy.ts'
import { labelsOf, optedIn } from '../policy/scope.ts'
import type { KubeObject } from '../values/object.ts'
import { type Manifest, ManifestError } from './manifests.ts'

/** Manifests in place of a cluster: what a plan needs to know, read off the files beside the service. */
export class ManifestFacts {
  readonly services: KubeObject[]
  readonly #objects: KubeObject[]
  readonly #policies: Policy[]

  constructor(manifests: Manifest[]) {
    this.#objects = manifests.map(({ object }) => object)
    this.services = this.#of('InferenceService', 'LLMInferenceService')
    this.#policies = manifests.filter(({ object }) => object.kind === 'AccelerationPolicy').map(toPolicy)
  }

  /**
   * What the files leave out is taken as the friendliest cluster: the namespace opted in, every runtime
   * installed, a service account without secrets, a Dataset without a status Bound, and one that a policy lends granted.
   */
  factsFor(service: KubeObject): Facts {
    const namespace = service.metadata.namespace ?? 'default'
    const here = (kind: string) =>
      this.#of(kind).filter((object) => (object.metadata.namespace ?? 'default') === namespace)
    const named = (objects: KubeObject[], name: string) =>
      objects.find((object) => object.metadata.name === name)
    const declared = named(this.#of('Namespace'), namespace)
    const secrets = here('Secret').map(secretFact)
    const claims = here('PersistentVolumeClaim').filter(isForeignClaim)
    const llmConfigs = {
      own: here('LLMInferenceServiceConfig'),
      shared: this.#of('LLMInferenceServiceConfig').filter(
        ({ metadata }) => metadata.namespace !== namespace,
      ),
    }
    const kserve = this.#kserve()
    const { locations } = readService(restored(service), { kserve, llmConfigs })
    const accounts = serviceAccountNames(locations).map(
      (name) => [name, serviceAccountFact(named(here('ServiceAccount'), name), name)] as const,
    )
    return {
      namespace,
      namespaceLabels: labelsOf(namespace, declared === undefined ? optedIn({}) : declared.metadata.labels),
      policies: this.#policies,
      installed: ['datasets', 'dataloads', ...Object.values(runtimes).map(({ plural }) => plural)],
      kserve,
      serviceAccounts: Object.fromEntries(accounts),
      secrets: Object.fromEntries(secrets.map((secret) => [secret.name, secret])),
      llmConfigs,
      servingRuntimes: { own: here('ServingRuntime'), cluster: this.#of('ClusterServingRuntime') },
      localModels: [...here('LocalModelNamespaceCache'), ...this.#of('LocalModelCache')].map(localModelFact),
      foreignClaims: new Set(claims.map((claim) => claim.metadata.name ?? '')),
      foreignVolumes: new Set(
        this.#of('PersistentVolume')
          .filter((volume) => isForeignVolume(volume, namespace))
          .map((volume) => volume.metadata.name ?? ''),
      ),
      datasets: here('Dataset').map(asBound),
      runtimes: Object.values(runtimes).flatMap(({ kind }) => here(kind)),
      lent: sharedDatasetUses(locations, this.#policies, namespace).map((lent) => this.#lent(lent)),
      signer: trustingSigner,
    }
  }

  #lent({ namespace, name, accounts }: SharedDatasetUse): SharedDataset {
    const of = (...kinds: string[]) =>
      this.#of(...kinds).filter(({ metadata }) => metadata.name === name && metadata.namespace === namespace)
    return {
      namespace,
      name,
      dataset: of('Dataset').map(asBound)[0],
      runtimes: of(...Object.values(runtimes).map(({ kind }) => kind)),
      allowedAccounts: accounts,
    }
  }

  /** In Standard mode unless the files say otherwise: there is nothing that KServe's own volumes are refused by. */
  #kserve(): KserveConfig {
    const configMap = this.#of('ConfigMap').find(({ metadata }) => metadata.name === kserveConfigName)
    const config = parseKserveConfig(configMap)
    return configMap === undefined ? { ...config, deploymentMode: 'Standard' } : config
  }

  #of(...kinds: string[]): KubeObject[] {
    return this.#objects.filter(({ kind }) => kinds.includes(kind))
  }
}

function asBound(dataset: KubeObject): KubeObject {
  return dataset.status === undefined ? { ...dataset, status: { phase: 'Bound' } } : dataset
}

function toPolicy({ object, place }: Manifest): Policy {
  const parsed = parsePolicy(object)
  if (parsed.ok) return parsed.policy
  throw new ManifestError(
    place,
    `AccelerationPolicy ${object.metadata.name ?? ''}: ${parsed.problems.join('; ')}`,
  )
}
