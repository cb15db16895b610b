import type { JsonObject, KubeObject } from '../values/object.ts'
import { inferenceServiceLocations } from './inference-service.ts'
import { llmServiceLocations } from './llm-service.ts'
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
  obstacle: Obstacle | undefined
}

/** How a service names a model: by URI, or by a path that KServe looks up in a Secret of storage entries. */
export type ModelReference =
  | { kind: 'uri'; uri: string; storage: JsonObject | undefined }
  | { kind: 'storage'; storage: JsonObject; pointer: string }

export interface FoundLocations {
  locations: ModelLocation[]
  /** Why there is none, where there is none. */
  none: string
}

/** Every place where a service keeps a model that KServe would download, in the order of the spec. */
export function findModelLocations(service: KubeObject): FoundLocations {
  const { locations, none } =
    service.kind === 'LLMInferenceService' ? llmServiceLocations(service) : inferenceServiceLocations(service)
  // Two of one name are an error that KServe reports; the first one is all that can be told apart.
  const first = locations.filter(({ id }, index) => locations.findIndex((other) => other.id === id) === index)
  return { locations: first, none }
}

/** How KServe tells a pod of its model; of a storage spec it resolves the scheme and the bucket only there. */
export function podSourceOf(model: ModelReference): string {
  if (model.kind === 'uri') return model.uri
  const path = typeof model.storage.path === 'string' ? model.storage.path : ''
  return `<scheme-placeholder>://${path.replace(/^\//, '')}`
}
