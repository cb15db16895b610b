import { at, type Json, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import type { FoundLocations, ModelLocation } from './location.ts'
import { modelObstacle, type Obstacle } from './obstacle.ts'

/**
 * The model locations of an LLMInferenceService, v1alpha1 and v1alpha2 alike: the base model, which prefill, workers
 * and the scheduler's tokenizer share, and its LoRA adapters. A model that a `baseRefs` configuration names is not in
 * the service. Sources: kserve pkg/controller/v1alpha2/llmisvc/workload_{storage,lora}.go.
 */
export function llmServiceLocations(service: KubeObject): FoundLocations {
  const none =
    listAt(service, 'spec', 'baseRefs').length > 0
      ? 'the service names no model URI; one that comes from its baseRefs is not seen here'
      : 'the service names no model URI'
  const model = objectAt(service, 'spec', 'model')
  const adapters = listAt(model, 'lora', 'adapters')
  const locations = [
    ...modelLocation(service, model, { id: 'model', pointer: '/spec/model/uri' }),
    ...adapters.flatMap((adapter, index) =>
      modelLocation(service, adapter, {
        id: `lora.${stringAt(adapter, 'name') ?? index}`,
        pointer: `/spec/model/lora/adapters/${index}/uri`,
      }),
    ),
  ]
  return { locations, none }
}

function modelLocation(
  service: KubeObject,
  model: Json,
  { id, pointer }: { id: string; pointer: string },
): ModelLocation[] {
  const uri = stringAt(model, 'uri')
  if (!uri) return []
  return [
    {
      id,
      group: id,
      component: 'predictor',
      model: { kind: 'uri', uri, storage: undefined },
      pointer,
      annotations: service.metadata.annotations ?? {},
      // Without one KServe makes an account for the service, and gives it the default one's secrets.
      serviceAccount: stringAt(service, 'spec', 'template', 'serviceAccountName') || 'default',
      obstacle: obstacleOf(service, model),
    },
  ]
}

function obstacleOf(service: KubeObject, model: Json): Obstacle | undefined {
  if (at(service, 'spec', 'storageInitializer', 'enabled') === false)
    return {
      reason: 'NoModelLocation',
      message: 'storageInitializer.enabled is false: KServe mounts nothing into these pods, not even a claim',
    }
  const templates = [['template'], ['worker'], ['prefill', 'template'], ['prefill', 'worker']]
  return modelObstacle(
    model,
    templates.flatMap((path) => listAt(service, 'spec', ...path, 'containers')),
  )
}
