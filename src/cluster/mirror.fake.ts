import { type RuntimeName, runtimeNames } from '../fluid/runtimes.ts'
import { FakeReflector } from '../kube/reflector.fake.ts'
import type { Reflector } from '../kube/reflector.ts'
import { fakeSigner } from '../plan/plan.fake.ts'
import type { Policy } from '../policy/policy.ts'
import type { Mirror } from './mirror.ts'
import { Records } from './records.ts'
import { Services } from './services.ts'

const copies = [
  'namespaces',
  'policies',
  'claims',
  'volumes',
  'configMaps',
  'services',
  'llmServices',
  'llmConfigs',
  'localModelCaches',
  'localModelNamespaceCaches',
  'servingRuntimes',
  'clusterServingRuntimes',
  'pods',
  'datasets',
  'dataLoads',
  'loadJobs',
] as const

export type FakeMirror = { [copy in (typeof copies)[number]]: FakeReflector } & {
  runtimes: Record<RuntimeName, FakeReflector>
  parsed: Policy[]
  /** As what is being tested takes it. */
  mirror: Mirror
}

/** A mirror for tests, of a cluster that holds what it is given. */
export function fakeMirror(): FakeMirror {
  const parts = Object.fromEntries(copies.map((copy) => [copy, new FakeReflector()])) as {
    [copy in (typeof copies)[number]]: FakeReflector
  }
  const runtimes = Object.fromEntries(runtimeNames.map((name) => [name, new FakeReflector()])) as {
    [name in RuntimeName]: FakeReflector
  }
  const fake = { ...parts, runtimes, parsed: [] as Policy[] }
  const rest = {
    runtimes,
    records: new Records(fakeSigner),
    fluidResources: [],
    systemNamespaces: [],
    parsedPolicies: () => fake.parsed,
    waitForSync: async () => {},
    unsynced: () => [],
    lastHeardMs: () => ({}),
    forbidden: () => ({}),
  }
  const { services, llmServices } = parts as unknown as { [kind: string]: Reflector }
  if (services === undefined || llmServices === undefined) throw new Error('no services')
  const both = { services: new Services(services, llmServices) }
  // A mirror has private parts, which no fake can have.
  return Object.assign(fake, { mirror: { ...parts, ...rest, ...both } as unknown as Mirror })
}
