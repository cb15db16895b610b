import { limits } from '../values/limits.ts'
import { type KubeObject, listAt, stringAt } from '../values/object.ts'
import type { KserveConfig } from './config.ts'
import type { ServiceView } from './service-view.ts'

/** A LocalModelCache, or a LocalModelNamespaceCache in the service's namespace. */
export interface LocalModelFact {
  kind: string
  name: string
  sourceUri: string
  nodeGroups: string[]
}

export function localModelFact(object: KubeObject): LocalModelFact {
  return {
    kind: object.kind,
    name: object.metadata.name ?? '',
    sourceUri: stringAt(object, 'spec', 'sourceModelUri') ?? '',
    nodeGroups: listAt(object, 'spec', 'nodeGroups').filter((group) => typeof group === 'string'),
  }
}

/**
 * The local model from which KServe will serve a service. KServe's defaulter runs after Warmgate's webhook.
 * It labels the whole service by one URI: that of the predictor, or of an LLMInferenceService's base model.
 * Source: kserve pkg/apis/serving/v1beta1/inference_service_defaults.go, setLocalModelLabel.
 */
export function localModelOf(
  { annotations, locations }: Pick<ServiceView, 'annotations' | 'locations'>,
  { models, config }: { models: LocalModelFact[]; config: KserveConfig },
): LocalModelFact | undefined {
  if (!config.localModels || annotations['serving.kserve.io/disable-localmodel'] !== undefined)
    return undefined
  const model = locations.find(({ id }) => id === 'predictor' || id === 'model')?.model
  if (model?.kind !== 'uri' || model.uri.length > limits.text) return undefined
  const uri = withoutSlash(model.uri)
  const group = annotations['serving.kserve.io/nodegroup']
  return models.find(
    ({ sourceUri, nodeGroups }) =>
      isUnder(uri, withoutSlash(sourceUri)) && (group === undefined || nodeGroups.includes(group)),
  )
}

function withoutSlash(uri: string): string {
  return uri.endsWith('/') ? uri.slice(0, -1) : uri
}

function isUnder(uri: string, source: string): boolean {
  return uri === source || uri.startsWith(`${source}/`)
}
