import type { JsonObject } from '../values/object.ts'
import type { Policy } from './policy.ts'

/** A model that a policy warms ahead of its services, and the service account that these will have. */
export interface PrewarmedModel {
  uri: string
  serviceAccount: string
}

/** The predictor of a service that names only this model, so that it has the cache of the services to come. */
export function predictorOf({ uri, serviceAccount }: PrewarmedModel): JsonObject {
  return {
    serviceAccountName: serviceAccount,
    model: { modelFormat: { name: 'huggingface' }, storageUri: uri },
  }
}

/** The namespaces in which a policy warms models ahead of their services. */
export function prewarmedNamespaces({ spec }: Policy): string[] {
  return [...new Set(spec.prewarm.flatMap(({ namespaces }) => namespaces))]
}

/** The models that a policy warms ahead of their services in one namespace. */
export function prewarmedModels({ spec }: Policy, namespace: string): PrewarmedModel[] {
  const models = spec.prewarm
    .filter(({ namespaces }) => namespaces.includes(namespace))
    .flatMap(({ uris, serviceAccountName }) =>
      uris.map((uri) => ({ uri, serviceAccount: serviceAccountName })),
    )
  return [...new Map(models.map((model) => [`${model.serviceAccount} ${model.uri}`, model])).values()]
}
