import { limits } from '../values/limits.ts'
import { type Json, type JsonObject, listAt, stringAt } from '../values/object.ts'
import { trimEndSlashes } from '../values/text.ts'
import type { Obstacle } from './obstacle.ts'

// With it KServe's Hugging Face server, and text-generation-inference, never look for a download of KServe's:
// get_model_id_or_path in kserve python/huggingfaceserver. An empty value is none to them.
const modelId = /(?:^|\s)--model[_-]id(?:=|\s+(?!-))["']?([^\s"']+)/
// vLLM ignores `--model` if `vllm serve` has a model of its own. SGLang calls it `--model-path`.
const served = /(?:^|[\s/])vllm\s+serve\s+["']?(?!-)([^\s"']+)/
const model = /(?:^|\s)--model(?:-path)?(?:=|\s+(?!-))["']?([^\s"']+)/
const hubName = /^[A-Za-z0-9][\w.-]*\/[\w.-]+$/

/** Whether the arguments of a container make it download a model from the Hugging Face hub. */
function namesModelId(containers: Json[]): boolean {
  return containers.some((container) => {
    const [, name] = modelId.exec(commandOf(container)) ?? []
    return name !== undefined && !isPath(name)
  })
}

/** The same for vLLM and SGLang, which take a name for one of the hub if it is no path. */
function servesHubName(containers: Json[]): boolean {
  return containers.some((container) => {
    const command = commandOf(container)
    if (!/vllm|sglang/i.test(`${stringAt(container, 'image')} ${command}`)) return false
    const [, name = ''] = served.exec(command) ?? model.exec(command) ?? []
    return hubName.test(name)
  })
}

/** A server that is given a path reads a volume. */
function isPath(name: string): boolean {
  return name.startsWith('/') || name.startsWith('./')
}

/** Command and arguments, with the variables in them (`$(NAME)`) as Kubernetes replaces them. */
function commandOf(container: Json): string {
  const command = argumentsOf(container).join(' ')
  const isInference = /text-(generation|embeddings)-inference/.test(stringAt(container, 'image') ?? '')
  if (!isInference && !command.includes('$(')) return command
  const env = new Map(
    listAt(container, 'env').map((entry) => [stringAt(entry, 'name') ?? '', stringAt(entry, 'value')]),
  )
  const own = isInference && env.get('MODEL_ID') ? ` --model-id=${env.get('MODEL_ID')}` : ''
  return `${command}${own}`.replace(
    /\$\(([\w.-]+)\)/g,
    (reference, name: string) => env.get(name) ?? reference,
  )
}

function argumentsOf(container: Json): string[] {
  const all = [...listAt(container, 'command'), ...listAt(container, 'args')]
  return all.filter((word) => typeof word === 'string')
}

const downloadsItself = 'the server downloads its model from the Hugging Face hub'

/** Why a service has no model URI; undefined if the reason is not known. */
export function noModelBecause(containers: Json[]): string | undefined {
  const argument = namesModelId(containers) ? '--model_id' : servesHubName(containers) ? '--model' : undefined
  return (
    argument && `${downloadsItself} (${argument}); KServe downloads a model that storageUri names instead`
  )
}

/**
 * The obstacle of a server that ignores the model that KServe downloads. `--model_id` has this meaning to the
 * servers of Hugging Face; another server may use it as a name.
 */
export function modelIdObstacle(modelFormat: string, containers: JsonObject[]): Obstacle | undefined {
  const names = [modelFormat, ...containers.map((container) => stringAt(container, 'image') ?? '')]
  const isOfHub = names.some((name) => /huggingface/i.test(name)) && namesModelId(containers)
  const argument = isOfHub ? '--model_id' : servesHubName(containers) ? '--model' : undefined
  if (argument === undefined) return undefined
  const message = `${downloadsItself} (${argument}), and does not read what KServe downloads`
  return { reason: 'NoModelLocation', message }
}

/** Whether a word contains a URI, or a URI below it. */
function names(word: string, uri: string): boolean {
  const start = word.indexOf(uri)
  return start !== -1 && /^[\s/"',]?$/.test(word.charAt(start + uri.length))
}

/**
 * The obstacle of a server with the model's URI in its arguments: it reads the store directly, as vLLM's
 * streaming loaders do.
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
    message: "the server's arguments name the model's URI: the server reads the store directly",
  }
}

/**
 * The obstacle of a template that renders the model's URI, in an LLMInferenceService or its configurations:
 * the server reads from that URI, which must not become a pvc:// URI. Source: kserve
 * pkg/controller/v1alpha2/llmisvc/config_merge.go, ReplaceVariables, which renders the whole merged spec.
 */
export function renderedUriObstacle(specs: JsonObject[]): Obstacle | undefined {
  const others = specs.map(({ model: _, ...spec }) => spec)
  if (!others.some((spec) => someText(spec, rendersUri))) return undefined
  return {
    reason: 'NoModelLocation',
    message:
      "its configuration renders the model's URI ({{ .Spec.Model.URI }}): the server reads it directly",
  }
}

/** Reads each template action once, in linear time: a string may have many `{{` without an end. */
function rendersUri(text: string): boolean {
  const [, ...actions] = text.split('{{')
  return actions.some((action) => /URI|\.Model(?![\w.])/.test(action.split('}}', 1)[0] ?? ''))
}

/**
 * Whether a string in a value passes a test. Not recursive, because the value may be nested deeper than the
 * stack.
 */
function someText(value: Json, test: (text: string) => boolean): boolean {
  const rest: Json[] = [value]
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next === 'string' && test(next)) return true
    if (typeof next === 'object' && next !== null)
      for (const inner of Object.values(next)) if (inner !== undefined) rest.push(inner)
  }
  return false
}
