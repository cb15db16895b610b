import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { areBinariesBuilt, provideBinaries } from './binaries.ts'
import { withLock } from './lock.ts'
import { knativeFiles, llmThirdParty } from './manifests.ts'
import { pruneCache } from './prune.ts'

let folder: string
let env: NodeJS.ProcessEnv

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warmgate-binaries-'))
  env = { WARMGATE_CACHE: join(folder, 'cache'), PATH: join(folder, 'bin'), HOME: folder }
  await mkdir(join(folder, 'bin'))
})

afterEach(() => rm(folder, { recursive: true }))

test('without Go and with an empty cache, the error says what to install', async () => {
  await expect(provideBinaries({ programs: ['kwok'], env })).rejects.toMatchObject({
    code: 'GO_MISSING',
    message: expect.stringMatching(/^kwok v0\.8\.0 is not in the cache .* install Go 1\.26 or later/),
  })
})

test('a Go version that is too old is reported with its own message', async () => {
  await fakeGo('echo "go: go.mod requires go >= 1.26.0 (running go 1.21.0; GOTOOLCHAIN=local)" >&2; exit 1')
  await expect(provideBinaries({ programs: ['kwok'], env })).rejects.toMatchObject({
    code: 'GO_TOO_OLD',
    message: expect.stringContaining('running go 1.21.0'),
  })
})

test('a build that fails says why, and leaves nothing half-made', async () => {
  await fakeGo('[ $1 = env ] && echo go1.26.8 || { echo "kwok.go:1: syntax error" >&2; exit 1; }')
  await expect(provideBinaries({ programs: ['kwok'], env })).rejects.toMatchObject({
    code: 'BUILD_FAILED',
    message: expect.stringContaining('syntax error'),
  })
  expect(await readdir(join(folder, 'cache'), { recursive: true })).toEqual([
    expect.stringMatching(/^kwok-v0\.8\.0-[0-9a-f]{12}-go1\.26\.8-/),
  ])
})

test('built programs are not built again, and need no Go', async () => {
  await fakeBuilds()
  const lines: string[] = []
  const progress = (line: string) => lines.push(line)
  const built = await provideBinaries({ programs: ['etcd', 'kwok'], env, progress })
  expect(await readFile(built.path('kwok'), 'utf8')).toBe('built\n')
  expect(lines[0]).toMatch(/^building etcd v3\.6\.8 \(about 1 min\) … 0 s$/)
  expect(lines).toContainEqual(expect.stringMatching(/^built kwok v0\.8\.0 in \d+ s$/))

  lines.length = 0
  const again = await provideBinaries({ programs: ['etcd', 'kwok'], env, progress })
  await rm(join(folder, 'bin/go'))
  const withoutGo = await provideBinaries({ programs: ['etcd', 'kwok'], env, progress })
  expect([again.path('kwok'), withoutGo.path('kwok')]).toEqual([built.path('kwok'), built.path('kwok')])
  expect(lines).toEqual([])
})

test('another version of Go builds again', async () => {
  await fakeBuilds('go1.26.8')
  const one = await provideBinaries({ programs: ['kwok'], env })
  await fakeBuilds('go1.27.0')
  const other = await provideBinaries({ programs: ['kwok'], env })
  expect(other.path('kwok')).not.toBe(one.path('kwok'))
})

test('KUBEBUILDER_ASSETS gives the API server and etcd, or is refused', async () => {
  await fakeBuilds()
  env.KUBEBUILDER_ASSETS = join(folder, 'assets')
  await expect(provideBinaries({ programs: ['etcd'], env })).rejects.toMatchObject({ code: 'ASSETS_MISSING' })
  await mkdir(join(folder, 'assets'))
  await writeFile(join(folder, 'assets/etcd'), '')
  const { path } = await provideBinaries({ programs: ['etcd', 'kwok'], env })
  expect(path('etcd')).toBe(join(folder, 'assets/etcd'))
  expect(path('kwok')).toContain('kwok-v0.8.0')
})

test('a lock is waited for while its owner lives, and taken over when it does not', async () => {
  const file = join(folder, 'lock')
  const owner = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  await once(owner, 'spawn')
  await writeFile(file, `${owner.pid}`)
  const waitedFor: number[] = []
  const onWait = (pid: number) => {
    waitedFor.push(pid)
    owner.kill('SIGKILL')
  }
  await expect(withLock(file, { onWait, work: async () => 'done' })).resolves.toBe('done')
  expect(waitedFor).toEqual([owner.pid])
  expect((await readdir(folder)).filter((name) => name.startsWith('lock'))).toEqual([])
})

test('a cluster needs only the programs that it runs', async () => {
  await fakeBuilds()
  await provideBinaries({ programs: ['etcd', 'kwok'], env })
  expect(await areBinariesBuilt(['etcd', 'kwok'], env)).toBe(true)
  expect(await areBinariesBuilt(['etcd', 'kwok', 'kserve-manager'], env)).toBe(false)
})

test('the newest version of each module stays, and folders that are new, in use, or foreign', async () => {
  const dayMs = 24 * 3_600_000
  const nowMs = Date.now()
  const entry = async (name: string, days: number) => {
    await mkdir(join(folder, name))
    const used = new Date(nowMs - days * dayMs)
    await utimes(join(folder, name), used, used)
  }
  await Promise.all([
    entry('etcd-v1-a', 40),
    entry('etcd-v2-a', 30),
    entry('kwok-v1-a', 15),
    entry('kwok-v2-a', 13),
    entry('kwok-v3-a', 0),
    entry('helm-v1-a', 30),
    entry('helm-v2-a', 1),
    entry('fluid-v1-a.7.tmp', 30),
    entry('notes-a', 30),
    entry('notes-b', 1),
  ])
  await copyFile('/bin/sleep', join(folder, 'helm-v1-a/sleep'))
  await utimes(join(folder, 'helm-v1-a'), new Date(nowMs - 30 * dayMs), new Date(nowMs - 30 * dayMs))
  const running = spawn(join(folder, 'helm-v1-a/sleep'), ['60'])
  await once(running, 'spawn')
  try {
    await pruneCache(folder, nowMs)
  } finally {
    running.kill('SIGKILL')
  }
  expect((await readdir(folder)).filter((name) => name !== 'bin').toSorted()).toEqual([
    'etcd-v2-a',
    'fluid-v1-a.7.tmp',
    'helm-v1-a',
    'helm-v2-a',
    'kwok-v2-a',
    'kwok-v3-a',
    'notes-a',
    'notes-b',
  ])
})

async function fakeGo(script: string): Promise<void> {
  const file = join(folder, 'bin/go')
  await writeFile(file, `#!/bin/sh\n${script}\n`)
  await chmod(file, 0o755)
}

/** A Go that builds at once, for modules that are empty. */
async function fakeBuilds(version = 'go1.26.8'): Promise<void> {
  const config = join(folder, 'module/config')
  const yaml = { resources: [] as string[] }
  const folders = ['crd/full', 'crd/full/localmodel', 'crd/full/llmisvc', 'llmisvcconfig', 'runtimes']
  for (const path of [...folders, 'storagecontainers'])
    await write(join(config, path, 'kustomization.yaml'), JSON.stringify(yaml))
  const files = [
    'configmap/inferenceservice.yaml',
    'webhook/manifests.yaml',
    'webhook/llmisvc/manifests.yaml',
  ]
  for (const path of files) await write(join(config, path), '')
  const others = [...Object.values(knativeFiles), ...llmThirdParty.map((file) => `test/crds/${file}`)]
  for (const path of others) await write(join(folder, 'module', path), '')
  await mkdir(join(folder, 'module/charts/fluid/fluid/crds'), { recursive: true })
  await mkdir(join(folder, 'module/deploy/crds'), { recursive: true })
  await mkdir(join(folder, 'module/csi/shell'), { recursive: true })
  await fakeGo(`case $1 in
    env) echo ${version};;
    build) echo built > $3;;
    mod) echo '{"Dir": "${folder}/module"}';;
  esac`)
}

async function write(file: string, content: string): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true })
  await writeFile(file, content)
}
