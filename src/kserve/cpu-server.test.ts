import { expect, test } from 'vitest'
import type { JsonObject } from '../values/object.ts'
import { isCpuServer } from './cpu-server.ts'

const image = (name: string) => ({ image: name })
const variable = (name: string, value?: string) => ({
  env: [{ name, ...(value === undefined ? {} : { value }) }],
})
const args = (...words: string[]) => ({ args: words })

test.each<[string, ...JsonObject[]]>([
  ['an image of vLLM', image('docker.io/vllm/vllm-openai-cpu:v0.23.0')],
  ["KServe's samples", image('public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:v0.19.0')],
  ['a tag', image('pytorch/torchserve:0.9.0-cpu')],
  ['a simulator', image('ghcr.io/llm-d/llm-d-inference-sim:v0.5.1')],
  ['a simulator, in other words', image('team/vllm-simulated:v1')],
  ['a map of devices', variable('DEVICE_MAP', 'cpu')],
  ['an image by its digest', image(`quay.io/team/vllm-cpu@sha256:${'a'.repeat(64)}`)],
  ['an image over the one of a runtime', image('vllm/vllm-openai:v0.9'), image('vllm/vllm-openai-cpu:v0.9')],
  ['an image with an empty one over it', image('vllm/vllm-openai-cpu:v0.9'), image('')],
  ["vLLM's cache", variable('VLLM_CPU_KVCACHE_SPACE', '40')],
  ["vLLM's threads, from elsewhere", { env: [{ name: 'VLLM_CPU_OMP_THREADS_BIND', valueFrom: {} }] }],
  ['a target device', variable('VLLM_TARGET_DEVICE', 'cpu')],
  ['a device', variable('DEVICE', 'CPU')],
  ['a platform', variable('JAX_PLATFORMS', 'cpu')],
  ['no visible device', variable('CUDA_VISIBLE_DEVICES', '')],
  ['no visible device, without a value', variable('CUDA_VISIBLE_DEVICES')],
  ['no visible device by number', variable('NVIDIA_VISIBLE_DEVICES', 'void')],
  ['two arguments', args('--model', '/mnt/models', '--device', 'cpu')],
  ['one argument', args('--device=cpu')],
  ["OpenVINO's", args('--target_device', 'CPU')],
  ['a shell', { command: ['sh', '-c', 'exec vllm serve /mnt/models --device "cpu"'] }],
  [
    'a shell that sets a variable',
    { command: ['sh', '-c', 'VLLM_TARGET_DEVICE=cpu vllm serve /mnt/models'] },
  ],
  ["arguments in a variable of KServe's presets", variable('VLLM_ADDITIONAL_ARGS', '--device cpu')],
  ['the last of two flags', args('--device=cuda'), args('--device=cpu')],
])('by %s', (_what, ...parts) => {
  expect(isCpuServer(parts)).toBe(true)
})

test.each<[string, ...JsonObject[]]>([
  ['nothing', {}],
  ['an image for GPUs', image('vllm/vllm-openai:v0.9.2')],
  [
    'an image for GPUs over the one of a runtime',
    image('vllm/vllm-openai-cpu:v1'),
    image('vllm/vllm-openai:v1'),
  ],
  ['a registry that is called so', image('cpu.example.com:5000/vllm/vllm-openai:v1')],
  ['a word that only begins so', image('team/cpuset-manager:v1')],
  ['an image for both', image('team/server:cuda-cpu')],
  ['a device', variable('VLLM_TARGET_DEVICE', 'cuda')],
  ['a visible device', variable('CUDA_VISIBLE_DEVICES', '0')],
  ['visible devices from elsewhere', { env: [{ name: 'CUDA_VISIBLE_DEVICES', valueFrom: {} }] }],
  [
    'a variable over that of a runtime',
    variable('VLLM_TARGET_DEVICE', 'cpu'),
    variable('VLLM_TARGET_DEVICE', 'cuda'),
  ],
  ['swapping to the memory of the CPU', args('--cpu-offload-gb', '4', '--swap-space=4')],
  ['the last of two flags', args('--device=cpu'), args('--device', 'cuda')],
  ['another device', args('--device', 'cpu-like')],
  ['odd values', { image: 3, env: 'cpu', args: [7, null, { a: 'b' }] }],
])('not by %s', (_what, ...parts) => {
  expect(isCpuServer(parts)).toBe(false)
})
