import type { ServiceAccountFact } from '../kserve/account.ts'
import type { KserveConfig } from '../kserve/config.ts'
import type { StorageContainerFact } from '../kserve/custom-download.ts'
import type { LlmConfigs } from '../kserve/llm-config.ts'
import type { LocalModelFact } from '../kserve/local-model.ts'
import type { ServingRuntimes } from '../kserve/runtime.ts'
import type { SecretFact } from '../kserve/secret.ts'
import type { Policy } from '../policy/policy.ts'
import type { Labels } from '../policy/selector.ts'
import { accelerationAnnotation } from '../values/keys.ts'
import type { KubeObject } from '../values/object.ts'
import type { RecordSigner } from './service/record.ts'

/** What a plan needs to know of the cluster. Nothing here holds a secret's value. */
export interface Facts {
  /** The service's namespace, which its manifest may leave out. */
  namespace: string
  /** A namespace of the cluster's own has opted out here, whatever its labels say. */
  namespaceLabels: Labels
  policies: Policy[]
  /** Plural names of the resources that the cluster serves in data.fluid.io. */
  installed: readonly string[]
  kserve: KserveConfig
  /** Those that the service's pods run under, by name. */
  serviceAccounts: { [name: string]: ServiceAccountFact }
  secrets: { [name: string]: SecretFact }
  servingRuntimes: ServingRuntimes
  llmConfigs: LlmConfigs
  /** The ClusterStorageContainers that customise downloads. */
  storageContainers: StorageContainerFact[]
  /** KServe's LocalModelNamespaceCaches of the namespace, and then its LocalModelCaches. */
  localModels: LocalModelFact[]
  /** The PVCs of the namespace that are not Fluid's. */
  foreignClaims: Pick<ReadonlySet<string>, 'has'>
  /** The PersistentVolumes that are no volume of a Dataset of this namespace, by name: one is of the whole cluster. */
  foreignVolumes: Pick<ReadonlySet<string>, 'has'>
  /** The Datasets of the namespace, and the Runtimes of every kind: Warmgate's own and others. */
  datasets: KubeObject[]
  runtimes: KubeObject[]
  /** The Datasets of other namespaces that policies lend by name for what the service reads. */
  lent: SharedDataset[]
  /** The model locations, by id, whose credentials were not read: their service asks for too many reads. */
  unread: ReadonlySet<string>
  /** Tells the records that admission wrote from those that anybody else did. */
  signer: RecordSigner
}

export interface SharedDataset {
  namespace: string
  name: string
  /** Undefined where there is none. */
  dataset: KubeObject | undefined
  /** The Runtimes of its name. */
  runtimes: KubeObject[]
  /** Those of the service's own accounts that may get it, by the API server's word. */
  allowedAccounts: string[]
}

/** A service opts out with an annotation. */
export function isOptedOut(annotations: { [key: string]: string } | undefined): boolean {
  return annotations?.[accelerationAnnotation] === 'disabled'
}
