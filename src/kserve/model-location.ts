import type { JsonObject } from '../values/object.ts'
import type { Obstacle } from './obstacle.ts'

/** A place in a service's spec that names a model. Pointers are JSON pointers into the service. */
export interface ModelLocation {
  /**
   * Stable under KServe's defaulting: what is `predictor.sklearn` now is `predictor.model` a moment later.
   */
  id: string
  component: 'predictor' | 'transformer' | 'explainer'
  /** Locations of one group are rewritten together or not at all: KServe mounts half of them wrongly. */
  group: string
  model: ModelReference
  /** JSON pointer of the field for the URI of the cache. */
  pointer: string
  /** The pod's annotations, which may name credentials: the service's, overridden by its component's. */
  annotations: { [key: string]: string }
  serviceAccount: string
  /** The account that prefill pods download with, if they name another one. */
  prefillAccount?: string
  obstacle: Obstacle | undefined
}

/** How a service names a model: by URI, or by a path that KServe looks up in a Secret of storage entries. */
export type ModelReference =
  | { kind: 'uri'; uri: string; storage: JsonObject | undefined }
  | { kind: 'storage'; storage: JsonObject; pointer: string }

export interface FoundLocations {
  /** At most 64. */
  locations: ModelLocation[]
  /** The reason if there are no locations; without its message if there are some. */
  none: { reason: 'NoModelLocation' | 'TooLarge'; message: string }
}

/**
 * A location before its annotations are merged and its obstacle is looked for: never, if the service is too large, or
 * if only its URI is compared.
 */
export type ModelPlace = Omit<ModelLocation, 'annotations' | 'obstacle'> & {
  annotations: () => ModelLocation['annotations']
  obstacle: () => ModelLocation['obstacle']
}
