import type { KubeObject } from '../../values/object.ts'

/** The resources that are listed once, for the checks. */
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

/** Reduced objects; `isCut` if there were more than the reader keeps. */
export type Reading = { kind: 'read'; items: KubeObject[]; isCut: boolean } | { kind: 'unread'; why: string }

/** The rights that Warmgate's account does not have, e.g. `list pods`. */
export type Rights = { kind: 'read'; denied: string[]; account: string } | { kind: 'unread'; why: string }

export type Probe =
  | { kind: 'answered'; namespace: string; service: KubeObject; warnings: string[] }
  | { kind: 'refused'; namespace: string; why: string; warnings: string[] }
  /** Nothing was tried. */
  | { kind: 'none'; why: string; todo: string }

/** The state of the cluster that `warmgate doctor` reads. */
export interface Snapshot {
  nowMs: number
  /** The namespace of Warmgate, by its webhook configuration. */
  namespace: string
  configuration: string
  kserveNamespace: string | undefined
  /** The resources that the API server serves, as `group/version/plural`. */
  served: ReadonlySet<string>
  lists: Record<ListName, Reading>
  rights: Rights
  probe: Probe
}
