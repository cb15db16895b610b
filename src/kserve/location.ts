import { limits } from '../values/limits.ts'
import { isObject, type JsonObject, type KubeObject, listAt, objectAt } from '../values/object.ts'
import { inferenceServicePlaces } from './inference-service.ts'
import { llmServicePlaces } from './llm-service.ts'
import type { FoundLocations, ModelPlace, ModelReference } from './model-location.ts'
import { noModelBecause } from './self-fetch.ts'
import { textLimit, tooLargeBecause } from './too-large.ts'

/**
 * Every place where a service keeps a model that KServe would download, in the order of the spec; none of a
 * service that is too large to be read. A model that is named by too long a text has the obstacle `TooLarge`:
 * its URI is for comparison only, and is neither parsed nor repeated. `bases` are the specs that an
 * LLMInferenceService is merged over, `runtime` is the spec of a predictor's ServingRuntime.
 */
export function findModelLocations(
  service: KubeObject,
  bases: JsonObject[] = [],
  runtime: JsonObject = {},
): FoundLocations {
  const excess = tooLargeBecause(service)
  if (excess !== undefined) return notFound('TooLarge', excess)
  const places = modelPlaces(service, bases, runtime)
  if (places.length > limits.locations) {
    const message = `it names ${places.length} models: at most ${limits.locations} are read`
    return notFound('TooLarge', message)
  }
  const tooLong = textLimit()
  const locations = places.map((place) => ({
    ...place,
    annotations: place.annotations(),
    obstacle: tooLong(place.model) ?? place.obstacle(),
  }))
  const message = locations.length === 0 ? noModel(service, runtime) : ''
  return { locations, none: { reason: 'NoModelLocation', message } }
}

/**
 * The same places without a limit, to restore the original URIs: a service that has grown too large must not
 * keep the claim of a cache that it loses. Takes linear time in the size of the service.
 */
export function modelPlaces(
  service: KubeObject,
  bases: JsonObject[] = [],
  runtime: JsonObject = {},
): ModelPlace[] {
  const places =
    service.kind === 'LLMInferenceService'
      ? llmServicePlaces(service, bases)
      : inferenceServicePlaces(service, runtime)
  // KServe reports duplicate names as an error. Keep the first, because ids must be unique.
  const first = new Map<string, ModelPlace>()
  for (const place of places) if (!first.has(place.id)) first.set(place.id, place)
  return [...first.values()]
}

function notFound(reason: FoundLocations['none']['reason'], message: string): FoundLocations {
  return { locations: [], none: { reason, message } }
}

function noModel(service: KubeObject, runtime: JsonObject): string {
  const predictor = objectAt(service, 'spec', 'predictor')
  const models = Object.values(predictor).filter((value) => isObject(value))
  const containers = [...models, ...listAt(predictor, 'containers'), ...listAt(runtime, 'containers')]
  const none = noModelBecause(containers) ?? 'the service names no model URI'
  const hasBase = service.kind === 'LLMInferenceService' && listAt(service, 'spec', 'baseRefs').length > 0
  return hasBase ? `${none}; a model URI from its baseRefs is not read here` : none
}

/**
 * The model URI in a pod's annotation. For a storage spec, KServe resolves scheme and bucket only in the pod.
 */
export function podSourceOf(model: ModelReference): string {
  if (model.kind === 'uri') return model.uri
  const path = typeof model.storage.path === 'string' ? model.storage.path : ''
  return `<scheme-placeholder>://${path.replace(/^\//, '')}`
}
