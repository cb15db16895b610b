import { filledFromAnnotation } from '../values/keys.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { asWarmWhenBound, dataLoad, dataset, fluidObject } from './dataset.ts'
import type { Cache } from './desired.ts'
import { isReferenceTo, reference } from './reference.ts'
import { componentResources, type Runtime } from './runtime.ts'
import { runtimes } from './runtimes.ts'
import { scheduledLoads } from './schedule.ts'
import { mountedSource } from './secret.ts'
import { loadsWhole, withSizes } from './sizing.ts'
import { merge } from './template.ts'

/** The Fluid objects of a cache, in the order in which they are applied; `modelBytes` once Fluid has counted them. */
export function cacheObjects(desired: Cache, modelBytes?: number): KubeObject[] {
  const cache = withSizes(desired, modelBytes)
  const { settings } = cache
  const source = mountedSource(cache)
  const { tolerations, warmup } = settings
  const identity = { name: cache.name, namespace: cache.namespace, uri: source.uri }
  if (isReferenceTo(source)) return [reference(identity)]
  const runtime: Runtime = runtimes[cache.runtime]
  const datasetObject = withOrigin(dataset(identity, runtime.mount(source), tolerations), cache.filledFrom)
  const spec = merge({ ...runtime.spec(source, settings), ...metadataOf(cache) }, settings.template)
  const objects = [
    runtime.isLoadable && warmup.enabled ? datasetObject : asWarmWhenBound(datasetObject),
    fluidObject(identity, runtime.kind, spec),
  ]
  if (!runtime.isLoadable) return objects
  const load = {
    replicas: warmup.replicas,
    tolerations,
    options: runtime.loadOptions,
    resources: componentResources(warmup.resources),
  }
  const loads = cache.paths.map((path) => dataLoad(identity, { ...load, path }))
  return [
    ...objects,
    ...(warmup.enabled ? loads : []),
    ...(warmup.schedule ? scheduledLoads(cache.name, loads, warmup.schedule) : []),
  ]
}

function withOrigin(object: KubeObject, model: string | undefined): KubeObject {
  if (model === undefined) return object
  const annotations = { ...object.metadata.annotations, [filledFromAnnotation]: model }
  return { ...object, metadata: { ...object.metadata, annotations } }
}

/**
 * Disables Fluid's listing of everything that a Bound Dataset mounts. For a source with many models it would
 * list the whole bucket, and each DataLoad lists its own path anyway. Jindo has no such field. Source: fluid
 * v1.0.8 pkg/ddc/{alluxio,juicefs}/metadata.go.
 */
function metadataOf(cache: Cache): JsonObject {
  if (loadsWhole(cache) || !['Alluxio', 'JuiceFS'].includes(cache.runtime)) return {}
  return { management: { metadataSyncPolicy: { autoSync: false } } }
}
