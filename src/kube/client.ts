import type { Json, KubeObject, ObjectKey } from '../values/object.ts'
import type { Resource } from './resources.ts'

export interface ListOptions {
  namespace?: string | undefined
  labelSelector?: string | undefined
  /** E.g. `metadata.name=x`: RBAC allows a list or watch of one name only if it selects that name. */
  fieldSelector?: string | undefined
  signal?: AbortSignal | undefined
}

export interface ListingOptions extends ListOptions {
  /** Returns the part of an item to keep in memory, or undefined to drop it. Called as the item arrives. */
  reduce?: (object: KubeObject) => KubeObject | undefined
  /** Called before the first item, and again if a list expires and all of its items come once more. */
  onStart?: () => void
}

export interface KubeList {
  items: KubeObject[]
  resourceVersion: string
}

export type PatchBody =
  | { type: 'merge'; body: Json }
  | { type: 'strategic'; body: Json }
  | { type: 'json'; body: Json }

export interface WriteOptions {
  /** Write a subresource (`status`, or a pod's `eviction`) instead of the object itself. */
  subresource?: 'status' | 'eviction'
  dryRun?: boolean
  /** Called with each warning of the response, as `kubectl` prints them. */
  onWarning?: (text: string) => void
  signal?: AbortSignal | undefined
}

export interface LogOptions {
  container: string
  mostBytes: number
  signal?: AbortSignal | undefined
}

export interface Preconditions {
  uid?: string
  resourceVersion?: string
}

export interface WatchOptions extends ListOptions {
  resourceVersion: string
  /** How long the server keeps the watch open. */
  timeoutSeconds: number
  signal: AbortSignal
}

export type WatchEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: KubeObject }
  | { type: 'ERROR'; code: number; message: string }

/**
 * The few verbs Warmgate needs of the Kubernetes API, on raw JSON: typed models drop unknown fields.
 * Every call rejects with a `KubeError`; only for `get` and `delete` a 404 is a result. An invalid name is
 * refused before it becomes a path.
 */
export interface KubeClient {
  get(
    resource: Resource,
    key: ObjectKey,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<KubeObject | undefined>
  /** Every page of the list, at one resource version. */
  list(resource: Resource, options?: ListingOptions): Promise<KubeList>
  create(resource: Resource, object: KubeObject, options?: WriteOptions): Promise<KubeObject>
  /** Replaces the whole object; needs its resourceVersion, so a concurrent change is a 409. */
  replace(resource: Resource, object: KubeObject, options?: WriteOptions): Promise<KubeObject>
  /** Server-side apply as field manager `warmgate`, forced. */
  apply(resource: Resource, object: KubeObject, options?: WriteOptions): Promise<KubeObject>
  patch(resource: Resource, key: ObjectKey, patch: PatchBody, options?: WriteOptions): Promise<KubeObject>
  /**
   * False if it was already gone. With `uid`, a new object of the same name is kept; with `resourceVersion`,
   * one that changed since.
   */
  delete(resource: Resource, key: ObjectKey, options?: Preconditions): Promise<boolean>
  /** Ends with the server, or quietly with the signal. A broken connection rejects, after every event that arrived. */
  watch(resource: Resource, options: WatchOptions): AsyncIterable<WatchEvent>
  /** What a container of a pod has printed; rejects if it is more than `mostBytes`. */
  logs(pod: ObjectKey, options: LogOptions): Promise<string>
  /** The resources that the API server serves in `group/version`; empty where it does not serve it. */
  discover(group: string, version: string): Promise<string[]>
}
