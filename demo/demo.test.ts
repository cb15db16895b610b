import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

/** Runs the demo with speeds ten times as high; answers what it printed, and its status. */
async function run(onOutput: (text: string, interrupt: () => void) => void = () => {}) {
  const child = spawn(process.execPath, [main, '--quick'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      onOutput(text, () => child.kill('SIGINT'))
    })
  }
  const status = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  return { text, status }
}

function inOrder(text: string, parts: (string | RegExp)[]): void {
  let from = 0
  for (const part of parts) {
    const rest = text.slice(from)
    const found = typeof part === 'string' ? rest.indexOf(part) : rest.search(part)
    expect(found, `${part} after:\n${text.slice(Math.max(from - 300, 0), from)}`).toBeGreaterThanOrEqual(0)
    from += found + 1
  }
}

test('tells the main job in order, and clears the stage', { timeout: 240_000 }, async () => {
  const { text, status } = await run()
  expect(status, text).toBe(0)
  inOrder(text, [
    'value: oss://kserve-models/models/bloom',
    /admitted .*oss:\/\/kserve-models\/models\/bloom → pvc:\/\/bloom-[0-9a-f]{10}; limits .*nvidia.com\/gpu: "1"/,
    /created .*Dataset bloom-/,
    /created .*JindoRuntime bloom-.*: 2 workers with 50Gi of SSD each/,
    /created .*DataLoad bloom-/,
    /held .*warmgate\.dev\/cache-warm/,
    /kserve .*kserve-pvc-source → PVC bloom-.*; storage initializers: 0/,
    /fluid .*is Bound/,
    /warm-up .*%.* of 3\.14 GiB/,
    /fluid .*the cache is warm/,
    /released .*is Ready/,
    '2 more pods of bloom: 0 of them are held',
    '2 more pods of bloom are Ready',
    /bloom-plain-predictor-.* has a storage initializer/,
    '2 more pods of bloom-plain are Ready',
    'with Warmgate',
    'without',
    'nothing is left running',
  ])
  expect(text).not.toContain('demo-access-key-secret')
})

test('clears the stage when it is interrupted', { timeout: 120_000 }, async () => {
  let isInterrupted = false
  const { text, status } = await run((sofar, interrupt) => {
    if (!isInterrupted && sofar.includes('admitted')) {
      isInterrupted = true
      interrupt()
    }
  })
  expect(status).toBe(130)
  expect(text).toContain('nothing is left running')
})
