import { limits } from '../values/limits.ts'
import { type Json, type JsonObject, listAt, stringAt } from '../values/object.ts'
import { trimEndSlashes } from '../values/text.ts'
import type { Obstacle } from './obstacle.ts'

// With it KServe's Hugging Face server never looks into /mnt/models: get_model_id_or_path in kserve
// python/huggingfaceserver. An empty value is none to it.
const modelId = /(?:^|\s)--model[_-]id(?:=|\s+(?!-))["']?[^\s"']/

/** Whether the arguments of one of these containers make it fetch a model from the Hugging Face hub. */
function namesModelId(containers: Json[]): boolean {
  return containers.some((container) => modelId.test(argumentsOf(container).join(' ')))
}

function argumentsOf(container: Json): string[] {
  const all = [...listAt(container, 'command'), ...listAt(container, 'args')]
  return all.filter((word) => typeof word === 'string')
}

const downloadsItself = 'the server fetches its model from the Hugging Face hub by itself (--model_id)'

/** For a service without a model URI: why there is none. */
export function noModelBecause(containers: Json[]): string | undefined {
  return namesModelId(containers)
    ? `${downloadsItself}; KServe downloads a model that storageUri names instead`
    : undefined
}

/**
 * A server that ignores the model that KServe downloads for it. The argument has this meaning to KServe's
 * Hugging Face server; another server may take it for a name.
 */
export function modelIdObstacle(modelFormat: string, containers: JsonObject[]): Obstacle | undefined {
  const names = [modelFormat, ...containers.map((container) => stringAt(container, 'image') ?? '')]
  if (!names.some((name) => /huggingface/i.test(name)) || !namesModelId(containers)) return undefined
  return { reason: 'NoModelLocation', message: `${downloadsItself}, and does not read what KServe downloads` }
}

/** Whether a word holds a URI whole, or one below it. */
function names(word: string, uri: string): boolean {
  const start = word.indexOf(uri)
  return start !== -1 && /^[\s/"',]?$/.test(word.charAt(start + uri.length))
}

/**
 * A server that has the model's URI in its arguments, and so reads the store, as vLLM's streaming loaders do.
 */
export function namedUriObstacle(uri: string, containers: Json[]): Obstacle | undefined {
  const model = trimEndSlashes(uri)
  if (
    uri.length > limits.text ||
    !containers.some((each) => argumentsOf(each).some((word) => names(word, model)))
  )
    return undefined
  return {
    reason: 'NoModelLocation',
    message: "the server's arguments name the model's URI: it reads the store by itself",
  }
}

/**
 * A template of an LLMInferenceService or of its configurations that renders the model's URI: the server
 * reads from that URI, and must not find a claim's there. Source: kserve
 * pkg/controller/v1alpha2/llmisvc/config_merge.go, ReplaceVariables, which renders the whole merged spec.
 */
export function renderedUriObstacle(specs: JsonObject[]): Obstacle | undefined {
  const others = specs.map(({ model: _, ...spec }) => spec)
  if (!others.some((spec) => someText(spec, rendersUri))) return undefined
  return {
    reason: 'NoModelLocation',
    message:
      "its configuration renders the model's URI ({{ .Spec.Model.URI }}): the server reads it by itself",
  }
}

/** Looks into each action once: a text may begin many that end nowhere. */
function rendersUri(text: string): boolean {
  const [, ...actions] = text.split('{{')
  return actions.some((action) => /URI|\.Model(?![\w.])/.test(action.split('}}', 1)[0] ?? ''))
}

/** Whether any text below a value passes a test. It may be nested deeper than a call stack is. */
function someText(value: Json, test: (text: string) => boolean): boolean {
  const rest: Json[] = [value]
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next === 'string' && test(next)) return true
    if (typeof next === 'object' && next !== null)
      for (const inner of Object.values(next)) if (inner !== undefined) rest.push(inner)
  }
  return false
}
