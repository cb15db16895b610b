import { isObject, type JsonObject, listAt, stringAt } from '../values/object.ts'

/**
 * Whether a server runs on CPUs or only simulates a model, judged by its image, environment and arguments. If
 * its pod requested a GPU, it would wait for a GPU node that it does not need.
 *
 * `parts` are the containers that KServe merges, the lowest first. The image and variables of a later part
 * replace earlier ones (strategic merge). The arguments of all parts count, because KServe appends those of
 * an InferenceService to those of its runtime (MergeRuntimeContainers). If a flag is repeated, the last one
 * counts.
 */
export function isCpuServer(parts: readonly JsonObject[]): boolean {
  const image = parts.map((part) => stringAt(part, 'image') ?? '').findLast((name) => name !== '') ?? ''
  const env = variablesOf(parts)
  return isCpuImage(image) || [...env].some(isCpuVariable) || isCpuCommand(commandOf(parts, env))
}

const cpuWords = new Set([
  'cpu',
  'cpuonly',
  'sim',
  'simulator',
  'simulated',
  'emulator',
  'mock',
  'fake',
  'dummy',
])
const gpuWords = new Set(['gpu', 'cuda', 'rocm'])

/** `docker.io/vllm/vllm-openai-cpu:v0.23.0`, `pytorch/torchserve:0.9.0-cpu`, `ghcr.io/llm-d/llm-d-inference-sim:v0.5`. */
function isCpuImage(image: string): boolean {
  // Drop the registry: its name says nothing about the image.
  const words = image
    .replace(/^[^/]*[.:][^/]*\//, '')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
  return words.some((word) => cpuWords.has(word)) && !words.some((word) => gpuWords.has(word))
}

/**
 * Values of the variables that may tell of CPUs, by name; undefined if the value comes from a Secret or a field of the
 * pod (`valueFrom`).
 */
type EnvironmentVariables = ReadonlyMap<string, string | undefined>

function variablesOf(parts: readonly JsonObject[]): EnvironmentVariables {
  const variables = new Map<string, string | undefined>()
  for (const entry of parts.flatMap((part) => listAt(part, 'env'))) {
    const name = stringAt(entry, 'name') ?? ''
    if (!telling.test(name)) continue
    const isElsewhere = isObject(entry) && 'valueFrom' in entry
    variables.set(name, isElsewhere ? undefined : (stringAt(entry, 'value') ?? ''))
  }
  return variables
}

const telling = /^VLLM_CPU_|_VISIBLE_DEVICES$|(DEVICE|DEVICE_TYPE|DEVICE_MAP|PLATFORMS?|_ARGS)$/i

const visibleDevices = /^(CUDA|NVIDIA|HIP|ROCR)_VISIBLE_DEVICES$/
const noDevices = ['', '-1', 'none', 'void', 'NoDevFiles']
const deviceName = /(^|_)(DEVICE|DEVICE_TYPE|DEVICE_MAP|PLATFORMS?)$/i

/** `VLLM_CPU_KVCACHE_SPACE=4`, `VLLM_TARGET_DEVICE=cpu`, `JAX_PLATFORMS=cpu`, `CUDA_VISIBLE_DEVICES=`. */
function isCpuVariable([name, value]: [string, string | undefined]): boolean {
  if (name.startsWith('VLLM_CPU_')) return true
  if (value === undefined) return false
  if (visibleDevices.test(name)) return noDevices.includes(value.trim())
  return deviceName.test(name) && value.trim().toLowerCase() === 'cpu'
}

/**
 * Command and arguments as one text, with the variables (`*_ARGS`) from which servers read more arguments.
 */
function commandOf(parts: readonly JsonObject[], env: EnvironmentVariables): string {
  const words = parts.flatMap((part) => [...listAt(part, 'command'), ...listAt(part, 'args')])
  const more = [...env].flatMap(([name, value]) => (name.endsWith('_ARGS') ? (value ?? []) : []))
  return [...words, ...more].filter((word) => typeof word === 'string').join(' ')
}

const deviceFlag = /(?:^|[\s'"])--(?:target[-_])?device(?:[-_](?:type|map))?(?:=|[\s'"]+)['"]?([\w.:-]+)/g
const deviceAssignment = /\bVLLM_(?:CPU_[A-Z_]+=|TARGET_DEVICE=['"]?cpu\b)/

/** `--device cpu`, `--device=cpu`, `--target_device CPU`, or such a variable that a shell command sets. */
function isCpuCommand(command: string): boolean {
  const devices = [...command.matchAll(deviceFlag)].map(([, device = '']) => device.toLowerCase())
  return devices.at(-1) === 'cpu' || deviceAssignment.test(command)
}
