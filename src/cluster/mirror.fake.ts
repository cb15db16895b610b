import { type RuntimeName, runtimeNames, runtimes } from '../fluid/runtimes.ts'
import type { FakeApi } from '../kube/api.fake.ts'
import { FakeReflector } from '../kube/reflector.fake.ts'
import type { Reflector } from '../kube/reflector.ts'
import { fakeSigner } from '../plan/plan.fake.ts'
import type { Policy } from '../policy/policy.ts'
import { keyText, type ObjectKey } from '../values/object.ts'
import { byDataset } from './indexes.ts'
import type { Mirror } from './mirror.ts'
import { Records } from './records.ts'
import { Services } from './services.ts'

const kinds = {
  namespaces: 'Namespace',
  policies: 'AccelerationPolicy',
  claims: 'PersistentVolumeClaim',
  volumes: 'PersistentVolume',
  quotas: 'ResourceQuota',
  limitRanges: 'LimitRange',
  configMaps: 'ConfigMap',
  services: 'InferenceService',
  llmServices: 'LLMInferenceService',
  llmConfigs: 'LLMInferenceServiceConfig',
  storageContainers: 'ClusterStorageContainer',
  localModelCaches: 'LocalModelCache',
  localModelNamespaceCaches: 'LocalModelNamespaceCache',
  servingRuntimes: 'ServingRuntime',
  clusterServingRuntimes: 'ClusterServingRuntime',
  pods: 'Pod',
  datasets: 'Dataset',
  dataLoads: 'DataLoad',
  loadJobs: 'Job',
  fillJobs: 'Job',
  fillPods: 'Pod',
  gatedPods: 'Pod',
  alluxioPods: 'Pod',
} as const

type Copies = { [copy in keyof typeof kinds]: FakeReflector }

export type FakeMirror = Copies & {
  runtimes: Record<RuntimeName, FakeReflector>
  parsed: Policy[]
  /** The same for code under test, which expects a `Mirror`. */
  mirror: Mirror
}

/** A mirror for tests, of a cluster that holds what it is given; with an `api`, it follows that. */
export function fakeMirror(api?: FakeApi): FakeMirror {
  const follow = (kind: string) => {
    const reflector = new FakeReflector()
    api?.feed(kind, reflector)
    return reflector
  }
  const parts = Object.fromEntries(
    Object.entries(kinds).map(([copy, kind]) => [copy, follow(kind)]),
  ) as unknown as Copies
  const runtimeCopies = Object.fromEntries(
    runtimeNames.map((name) => [name, follow(runtimes[name].kind)]),
  ) as {
    [name in RuntimeName]: FakeReflector
  }
  const fake = { ...parts, runtimes: runtimeCopies, parsed: [] as Policy[] }
  const rest = {
    runtimes: runtimeCopies,
    records: new Records(fakeSigner),
    fluidResources: [],
    systemNamespaces: [],
    parsedPolicies: () => fake.parsed,
    waitForSync: async () => {},
    unsynced: () => [],
    loadsOf: (dataset: ObjectKey) => parts.dataLoads.by(byDataset, keyText(dataset)),
    lastHeardMs: () => ({}),
    forbidden: () => ({}),
  }
  const { services, llmServices } = parts as unknown as { [kind: string]: Reflector }
  if (services === undefined || llmServices === undefined) throw new Error('no services')
  const both = { services: new Services(services, llmServices) }
  // A mirror has private parts, which no fake can have.
  return Object.assign(fake, { mirror: { ...parts, ...rest, ...both } as unknown as Mirror })
}
