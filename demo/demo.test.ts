import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

// The demo writes below this folder only, and every process that it starts has it in its environment.
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warmgate-demo-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

async function expectNothingLeft(): Promise<void> {
  expect(await readdir(folder)).toEqual([])
  expect(await processesLeft()).toEqual([])
}

async function processesLeft(): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['axeww'], { maxBuffer: 16 * 1024 * 1024 })
  return stdout.split('\n').filter((line) => line.includes(folder))
}

const picture = () => join(folder, 'demo.svg')

/** Runs the demo with a fast download and a fast warm-up. */
async function run(onOutput: (text: string, interrupt: () => void) => void = () => {}) {
  const child = spawn(process.execPath, [main, '--quick', '--picture', picture()], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder },
  })
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

test('shows a service from its manifest to three ready pods, and leaves nothing behind', {
  timeout: 240_000,
}, async () => {
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
    /fluid .*the loading Job runs/,
    /warm-up .* 0 %.* 0 B of 6\.28 GiB/,
    /warm-up .* [6-9]\d %.* of 6\.28 GiB/,
    /fluid .*-loader-job is complete: the cache is warm/,
    /released .*is Ready/,
    '2 more pods of bloom: 0 of them are held',
    '2 more pods of bloom are Ready',
    /bloom-plain-predictor-.* has a storage initializer/,
    '2 more pods of bloom-plain are Ready',
    'with Warmgate',
    'without',
    'nothing is left running',
    /\nReal: .*Fluid's controllers.* Made up: .*what the cache engine reports.*\n$/,
  ])
  expect(text).not.toContain('demo-access-key-secret')
  expect(await readFile(picture(), 'utf8')).toMatch(/First pod ready: [\d.]+ s with Warmgate/)
  await rm(picture())
  await expectNothingLeft()
})

test('leaves nothing behind when it is interrupted', { timeout: 120_000 }, async () => {
  let isInterrupted = false
  let running: Promise<string[]> | undefined
  const { text, status } = await run((sofar, interrupt) => {
    if (!isInterrupted && sofar.includes('admitted')) {
      isInterrupted = true
      running = processesLeft()
      interrupt()
    }
  })
  expect(status).toBe(130)
  expect(text).toContain('nothing is left running')
  // So it would be seen if any of them were still there.
  expect((await running)?.join('\n')).toContain('fluid-jindo')
  await expectNothingLeft()
})
