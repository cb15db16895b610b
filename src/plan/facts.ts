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

/** What a plan needs to know about the cluster. It never holds the credentials in a Secret. */
export interface Facts {
  /** The service's namespace. Its manifest may omit it. */
  namespace: string
  /** A system namespace is always marked as opted out here, even if its own label says otherwise. */
  namespaceLabels: Labels
  policies: Policy[]
  /** Plural names of the resources that the API server serves in data.fluid.io. */
  installed: readonly string[]
  kserve: KserveConfig
  /** The service accounts of the service's pods, by name. */
  serviceAccounts: { [name: string]: ServiceAccountFact }
  secrets: { [name: string]: SecretFact }
  servingRuntimes: ServingRuntimes
  llmConfigs: LlmConfigs
  /** The ClusterStorageContainers that customise downloads. */
  storageContainers: StorageContainerFact[]
  /** KServe's LocalModelNamespaceCaches of the namespace, followed by its LocalModelCaches. */
  localModels: LocalModelFact[]
  /** Names of the namespace's PVCs that Fluid did not create. */
  foreignClaims: Pick<ReadonlySet<string>, 'has'>
  /** Names of PersistentVolumes (cluster-scoped) that belong to no Dataset of this namespace. */
  foreignVolumes: Pick<ReadonlySet<string>, 'has'>
  /** The Datasets of the namespace, created by Warmgate or by others. */
  datasets: KubeObject[]
  /** The Runtimes of the namespace, of every kind, created by Warmgate or by others. */
  runtimes: KubeObject[]
  /** Datasets of other namespaces that policies share with this service. */
  sharedDatasets: SharedDataset[]
  /**
   * Ids of the model locations with credentials that were not read, because the service needs too many reads.
   */
  unread: ReadonlySet<string>
  /** Whether Warmgate may create Jobs in the namespace, which fill mirrors. */
  mayFill: boolean
  /** Distinguishes the records that admission wrote from forged ones. */
  signer: RecordSigner
}

export interface SharedDataset {
  namespace: string
  name: string
  /** Undefined if the Dataset does not exist. */
  dataset: KubeObject | undefined
  /** The Runtimes with the name of the Dataset. */
  runtimes: KubeObject[]
  /** The service's own accounts that the API server allows to get the Dataset. */
  allowedAccounts: string[]
}

/** Whether these annotations of a service opt it out. */
export function isOptedOut(annotations: { [key: string]: string } | undefined): boolean {
  return annotations?.[accelerationAnnotation] === 'disabled'
}
