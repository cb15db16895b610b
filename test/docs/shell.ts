import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from '../../build.ts'
import { provideBinaries } from '../cluster/binaries.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const slowestMs = 240_000

export interface Outcome {
  status: number | null
  /** Standard output and standard error, as a terminal mixes them. */
  text: string
}

/** A reader's terminal in a checkout, with kubectl, Helm and krew, and a home of its own. */
export interface Shell {
  /** The current directory: everything that the repository has, and files of the reader's own. */
  folder: string
  /** @param until Ctrl-C is pressed as soon as the output matches */
  run(command: string, until?: RegExp): Promise<Outcome>
  close(): Promise<void>
}

/** @param files contents by name, which the reader has in the current directory */
export async function openShell(kubeconfig: string, files: { [name: string]: string }): Promise<Shell> {
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-reader-'))
  await linkCheckout(folder)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  const [bin, home] = [join(folder, '.bin'), join(folder, '.home')]
  await linkPrograms(bin)
  for (const path of ['.zfunc', '.config/fish/completions', '.local/share/bash-completion/completions'])
    await mkdir(join(home, path), { recursive: true })
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    PATH: [bin, join(home, '.krew/bin'), join(root, 'node_modules/.bin'), process.env.PATH].join(':'),
    HOME: home,
    KUBECONFIG: kubeconfig,
    KREW_NO_UPGRADE_CHECK: 'true',
    // As the reader calls make, and not the make that runs this test.
    MAKEFLAGS: '',
    MAKELEVEL: '',
    NODE_OPTIONS: '',
  }
  return {
    folder,
    run: (command, until) => run(command, { cwd: folder, env, until }),
    close: () => rm(folder, { recursive: true }),
  }
}

/** With node_modules as a new folder, which make takes for up to date. */
async function linkCheckout(folder: string): Promise<void> {
  await mkdir(join(root, 'dist'), { recursive: true })
  await mkdir(join(folder, 'node_modules'))
  for (const name of await readdir(root)) {
    if (name !== '.git' && name !== 'node_modules') await symlink(join(root, name), join(folder, name))
  }
  for (const name of await readdir(join(root, 'node_modules')))
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
}

async function linkPrograms(bin: string): Promise<void> {
  const { path } = await provideBinaries({ programs: ['kubectl', 'krew', 'kustomize', 'ddc-helm'] })
  await mkdir(bin)
  await symlink(path('kubectl'), join(bin, 'kubectl'))
  await symlink(path('krew'), join(bin, 'kubectl-krew'))
  await symlink(path('kustomize'), join(bin, 'kustomize'))
  await symlink(path('ddc-helm'), join(bin, 'helm'))
  await bundle(join(bin, 'warmgate.mjs'))
  await symlink('warmgate.mjs', join(bin, 'warmgate'))
}

interface Running {
  cwd: string
  env: NodeJS.ProcessEnv
  until?: RegExp | undefined
}

async function run(command: string, { cwd, env, until }: Running): Promise<Outcome> {
  // A process group, as a terminal gives it Ctrl-C.
  const child = spawn('bash', ['-euo', 'pipefail', '-c', command], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const signal = (name: NodeJS.Signals) => child.pid !== undefined && process.kill(-child.pid, name)
  const deadline = setTimeout(() => signal('SIGKILL'), slowestMs)
  let text = ''
  let isInterrupted = false
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more
      if (isInterrupted || until?.test(text) !== true) return
      isInterrupted = true
      signal('SIGINT')
    })
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
  child.once('error', reject).once('close', (status) => resolve({ status, text }))
  return await promise.finally(() => clearTimeout(deadline))
}
