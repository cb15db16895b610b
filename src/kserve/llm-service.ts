import { limits } from '../values/limits.ts'
import { type Json, type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { rememberLast } from '../values/remember.ts'
import { containerNamed, mainContainer } from './container.ts'
import { customInitializerObstacle } from './custom-download.ts'
import { mergedField } from './llm-config.ts'
import type { ModelPlace } from './model-location.ts'
import { confidentialObstacle, mountObstacle, type Obstacle, sharedObstacle } from './obstacle.ts'
import { modelIdObstacle, namedUriObstacle, renderedUriObstacle } from './self-fetch.ts'

/**
 * The model locations of an LLMInferenceService (v1alpha1 and v1alpha2): the base model, which prefill,
 * workers and the scheduler's tokenizer share, and the LoRA adapters. `bases` are the specs that KServe
 * merges the service over; they affect how a model is downloaded, but a model that only they name is not a
 * location.
 * Sources: kserve pkg/controller/v1alpha2/llmisvc/workload_{storage,lora}.go.
 */
export function llmServicePlaces(service: KubeObject, bases: JsonObject[]): ModelPlace[] {
  const model = objectAt(service, 'spec', 'model')
  const placed = placeIn(service, [...bases, objectAt(service, 'spec')])
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

/** Undefined if the value is too long for a name. */
function nameOf(adapter: Json): string | undefined {
  const name = stringAt(adapter, 'name')
  return name !== undefined && name.length <= limits.name ? name : undefined
}

/** Computes once what all models of a service share, and returns the function that places one model. */
function placeIn({ metadata: { annotations = {} } }: KubeObject, specs: JsonObject[]) {
  const serviceAccount = accountOf(specs) ?? 'default'
  const prefillAccount = accountOf(specs, 'prefill') ?? serviceAccount
  const own = prefillAccount === serviceAccount ? {} : { prefillAccount }
  const pods = specs.flatMap((spec) => podPaths.map((path) => objectAt(spec, ...path)))
  const containers = pods.flatMap((pod) => listAt(pod, 'containers'))
  const ownModel = rememberLast(() => modelIdObstacle('', serversOf(specs)))
  const disabled = rememberLast(() => initializerObstacle(specs) ?? renderedUriObstacle(specs))
  const other = rememberLast(
    () => mountedObstacle(specs) ?? customInitializerObstacle(pods) ?? sharedObstacle(pods),
  )
  return (model: Json, { id, pointer }: Pick<ModelPlace, 'id' | 'pointer'>): ModelPlace[] => {
    const uri = stringAt(model, 'uri')
    if (!uri) return []
    // Check only the base model: servers do not get the URI of an adapter, and there may be many adapters.
    const fetched = () => (id === 'model' ? (namedUriObstacle(uri, containers) ?? ownModel()) : undefined)
    return [
      {
        id,
        group: id,
        component: 'predictor',
        model: { kind: 'uri', uri, storage: undefined },
        pointer,
        annotations: () => annotations,
        serviceAccount,
        ...own,
        obstacle: () => disabled() ?? confidentialObstacle(model) ?? other() ?? fetched(),
      },
    ]
  }
}

/**
 * The account that downloads the model: the template's, else (on several nodes) the worker's. If neither
 * names one, KServe creates an account for the service and gives it the Secrets of `default`. The same holds
 * for prefill pods.
 * Source: kserve pkg/controller/v1alpha2/llmisvc/workload_multi_node.go, expectedMultiNodeMainServiceAccount
 * and expectedMultiNodePrefillServiceAccount.
 */
function accountOf(specs: JsonObject[], ...path: string[]): string | undefined {
  const accounts = ['template', 'worker'].map((part) =>
    mergedField(specs, ...path, part, 'serviceAccountName'),
  )
  return accounts.find((name) => typeof name === 'string')
}

function initializerObstacle(specs: JsonObject[]): Obstacle | undefined {
  if (mergedField(specs, 'storageInitializer', 'enabled') !== false) return undefined
  return {
    reason: 'NoModelLocation',
    message: 'storageInitializer.enabled is false: KServe mounts nothing into these pods, not even a claim',
  }
}

/** The pods that serve the model. `podPaths` adds the scheduler's, which may read the tokenizer. */
const serverPaths = [['template'], ['worker'], ['prefill', 'template'], ['prefill', 'worker']]
const podPaths = [...serverPaths, ['router', 'scheduler', 'template']]

/** The containers that serve the model, of each pod one, as KServe merges them: lists are replaced, and `env` grows. */
function serversOf(specs: JsonObject[]): JsonObject[] {
  return serverPaths.map((path) => {
    const parts = specs.map((spec) => containerNamed(listAt(spec, ...path, 'containers'), mainContainer))
    const last = (field: string) =>
      parts.map((part) => listAt(part, field)).findLast((list) => list.length > 0) ?? []
    const env = parts.flatMap((part) => listAt(part, 'env'))
    return { image: mergedField(parts, 'image') ?? '', command: last('command'), args: last('args'), env }
  })
}

function mountedObstacle(specs: JsonObject[]): Obstacle | undefined {
  return mountObstacle(
    specs.flatMap((spec) => serverPaths.flatMap((path) => listAt(spec, ...path, 'containers'))),
  )
}
