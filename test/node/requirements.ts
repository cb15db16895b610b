import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** As far as a real node depends on it. */
export interface Machine {
  platform: string
  /** Undefined where there are no such numbers. */
  user: number | undefined
  env: NodeJS.ProcessEnv
  /** Whether namespaces may be made, and a file system mounted in them. */
  mayIsolate: () => Promise<boolean>
}

const tools = ['unshare', 'nsenter', 'mount', 'ip', 'tar']

const here: Machine = {
  platform: process.platform,
  user: process.getuid?.(),
  env: process.env,
  async mayIsolate() {
    const isolated = [...namespaceFlags, 'mount', '-t', 'tmpfs', 'tmpfs', '/run']
    return await promisify(execFile)('unshare', isolated).then(
      () => true,
      () => false,
    )
  },
}

/**
 * What a machine lacks to run a real node, as the object of "needs"; undefined if nothing is missing. In CI
 * nothing may be: there the suite runs, and fails where it cannot.
 */
export async function missingRequirement(machine: Machine = here): Promise<string | undefined> {
  const { platform, user, env, mayIsolate } = machine
  if (env.CI === 'true') return undefined
  if (platform !== 'linux') return `Linux, and this is ${platform}`
  if (user !== 0) return 'root, for namespaces, mounts and control groups'
  for (const tool of tools) if ((await findProgram(tool, env)) === undefined) return `the command ${tool}`
  const candidates = await Promise.all(['runc', 'apt-get'].map((name) => findProgram(name, env)))
  if (candidates.every((found) => found === undefined))
    return 'runc, or apt-get to fetch the Debian package that has it'
  if (!(await mayIsolate())) return 'the right to make namespaces and mounts (in a container: --privileged)'
  return undefined
}

/** The namespaces of a node, as arguments of unshare. */
export const namespaceFlags = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child']

/** The path of a program of the machine. */
export async function findProgram(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const file = join(folder, name)
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return file
  }
  return undefined
}
