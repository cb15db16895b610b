import type { KubeObject } from '../../values/object.ts'

/** What is listed once, and what the checks read. */
export const listNames = [
  'namespaces',
  'nodes',
  'csiNodes',
  'crds',
  'kserveConfigs',
  'knativeConfigs',
  'deployments',
  'webhooks',
  'services',
  'endpointSlices',
  'certificates',
  'policies',
  'models',
  'localModels',
] as const
export type ListName = (typeof listNames)[number]

/** Objects as far as the checks read them; `isCut` if there were more than the reader keeps. */
export type Reading = { kind: 'read'; items: KubeObject[]; isCut: boolean } | { kind: 'unread'; why: string }

/** What Warmgate's account may not do, e.g. `list pods`. */
export type Rights = { kind: 'read'; denied: string[]; account: string } | { kind: 'unread'; why: string }

/** What came of a service that was created as a dry run. */
export type Probe =
  | { kind: 'answered'; namespace: string; service: KubeObject; warnings: string[] }
  | { kind: 'refused'; namespace: string; why: string; warnings: string[] }
  /** Nothing was tried. */
  | { kind: 'none'; why: string; todo: string }

/** The cluster at one moment, as far as `warmgate doctor` reads it. */
export interface Snapshot {
  nowMs: number
  /** The namespace of Warmgate, by its webhook configuration. */
  namespace: string
  /** The name of its MutatingWebhookConfiguration. */
  configuration: string
  kserveNamespace: string | undefined
  /** `group/version/plural` of what the API server serves. */
  served: ReadonlySet<string>
  lists: Record<ListName, Reading>
  rights: Rights
  probe: Probe
}
