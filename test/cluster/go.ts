import { spawn } from 'node:child_process'
import { ClusterError } from './errors.ts'

export interface GoRun {
  folder: string
  env: NodeJS.ProcessEnv
}

/** Runs the Go command in a module's folder and gives what it printed; a failure carries its last words. */
export async function go(args: string[], { folder, env }: GoRun): Promise<string> {
  // A developer's Go settings must not change the build.
  const child = spawn('go', args, { cwd: folder, env: { ...env, GOFLAGS: '', GOWORK: 'off' } })
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let out = ''
  let words = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = `${words}${text}`.slice(-4_000)
  })
  child.on('error', reject)
  child.on('close', (status) => {
    if (status === 0) return resolve(out)
    reject(new ClusterError('BUILD_FAILED', `go ${args[0]} in ${folder} failed:\n${words.trim()}`))
  })
  return await promise
}

/** The Go version for a module; undefined if Go is not installed. */
export async function goVersion(run: GoRun): Promise<string | undefined> {
  try {
    return (await go(['env', 'GOVERSION'], run)).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    // With a toolchain that may not replace itself, go.mod's own line fails: "requires go >= 1.26.0".
    throw new ClusterError('GO_TOO_OLD', `${needGo} ${(error as Error).message}`, error)
  }
}

/** The message if something must be built and Go is not installed. */
export function goMissing(what: string): ClusterError {
  return new ClusterError(
    'GO_MISSING',
    `${what} is not in the cache and there is no Go to build it. ${needGo}`,
  )
}

const needGo =
  'The control plane for tests is built from source: install Go 1.26 or later (https://go.dev/dl) and put it on the PATH.'
