import type { JsonObject } from '../values/object.ts'
import type { Obstacle } from './obstacle.ts'

/** A place in a service's spec where a model stands. Pointers are JSON pointers into the service. */
export interface ModelLocation {
  /** Stable under KServe's defaulting: what is `predictor.sklearn` now is `predictor.model` a moment later. */
  id: string
  component: 'predictor' | 'transformer' | 'explainer'
  /** Locations of one group are rewritten together or not at all: KServe mounts half of them wrongly. */
  group: string
  model: ModelReference
  /** Where the URI of a cache is to stand. */
  pointer: string
  /** What the pod's own word on credentials is read from: the service's annotations, and its component's over them. */
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
  /** Why there is none, where there is none. */
  none: { reason: 'NoModelLocation' | 'TooLarge'; message: string }
}

/** A location before its annotations are merged: of a service that is too large they never are. */
export type ModelPlace = Omit<ModelLocation, 'annotations'> & {
  annotations: () => ModelLocation['annotations']
}
