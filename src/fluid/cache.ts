import { isObject, type JsonObject, type KubeObject } from '../values/object.ts'
import { dataLoad, dataset, fluidObject } from './dataset.ts'
import type { CacheSettings } from './runtime.ts'
import { type RuntimeName, runtimes } from './runtimes.ts'
import { mountedSource } from './secret.ts'
import type { Source } from './source.ts'

/** One cache to be: what it reads, and how it is furnished. */
export interface Cache {
  name: string
  namespace: string
  source: Source
  runtime: RuntimeName
  settings: CacheSettings
}

/** The Fluid objects of a cache, in the order in which they are applied. */
export function cacheObjects(cache: Cache): KubeObject[] {
  const { settings } = cache
  const source = mountedSource(cache)
  const identity = { name: cache.name, namespace: cache.namespace, uri: source.uri }
  const runtime = runtimes[cache.runtime]
  const spec = merge(runtime.spec(source, settings), settings.template)
  const objects = [dataset(identity, runtime.mount(source)), fluidObject(identity, runtime.kind, spec)]
  return settings.warmup.enabled ? [...objects, dataLoad(identity, settings.warmup.replicas)] : objects
}

/** A policy's template over what Warmgate writes: objects merge, anything else is replaced. */
function merge(base: JsonObject, over: JsonObject): JsonObject {
  const merged: JsonObject = { ...base }
  for (const [field, value] of Object.entries(over)) {
    const here = merged[field]
    merged[field] = isObject(here) && isObject(value) ? merge(here, value) : value
  }
  return merged
}
