import { limits } from '../values/limits.ts'
import { getIn, type Json, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import type { ModelPlace } from './model-location.ts'
import { confidentialObstacle, mountObstacle, type Obstacle } from './obstacle.ts'

/**
 * The model locations of an LLMInferenceService, v1alpha1 and v1alpha2 alike: the base model, which prefill, workers
 * and the scheduler's tokenizer share, and its LoRA adapters. A model that a `baseRefs` configuration names is not in
 * the service. Sources: kserve pkg/controller/v1alpha2/llmisvc/workload_{storage,lora}.go.
 */
export function llmServicePlaces(service: KubeObject): ModelPlace[] {
  const model = objectAt(service, 'spec', 'model')
  const placed = placeIn(service)
  return [
    ...placed(model, { id: 'model', pointer: '/spec/model/uri' }),
    ...listAt(model, 'lora', 'adapters').flatMap((adapter, index) =>
      placed(adapter, {
        id: `lora.${nameOf(adapter) ?? index}`,
        pointer: `/spec/model/lora/adapters/${index}/uri`,
      }),
    ),
  ]
}

/** Undefined for what is too long to be a name. */
function nameOf(adapter: Json): string | undefined {
  const name = stringAt(adapter, 'name')
  return name !== undefined && name.length <= limits.name ? name : undefined
}

/** What is common to all models of a service is looked at once. */
function placeIn(service: KubeObject) {
  const annotations = service.metadata.annotations ?? {}
  // Without one KServe makes an account for the service, and gives it the default one's secrets.
  const serviceAccount = stringAt(service, 'spec', 'template', 'serviceAccountName') || 'default'
  const [disabled, mounted] = [initializerObstacle(service), mountedObstacle(service)]
  return (model: Json, { id, pointer }: Pick<ModelPlace, 'id' | 'pointer'>): ModelPlace[] => {
    const uri = stringAt(model, 'uri')
    if (!uri) return []
    return [
      {
        id,
        group: id,
        component: 'predictor',
        model: { kind: 'uri', uri, storage: undefined },
        pointer,
        annotations: () => annotations,
        serviceAccount,
        obstacle: disabled ?? confidentialObstacle(model) ?? mounted,
      },
    ]
  }
}

function initializerObstacle(service: KubeObject): Obstacle | undefined {
  if (getIn(service, 'spec', 'storageInitializer', 'enabled') !== false) return undefined
  return {
    reason: 'NoModelLocation',
    message: 'storageInitializer.enabled is false: KServe mounts nothing into these pods, not even a claim',
  }
}

function mountedObstacle(service: KubeObject): Obstacle | undefined {
  const templates = [['template'], ['worker'], ['prefill', 'template'], ['prefill', 'worker']]
  return mountObstacle(templates.flatMap((path) => listAt(service, 'spec', ...path, 'containers')))
}
