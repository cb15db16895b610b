import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const root = new URL('../', import.meta.url)

/** The version that package.json says; every file of a release has it. */
export async function readVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as { version: string }
  return version
}

export interface Revision {
  /** The commit, or `unknown` outside of a clone. */
  revision: string
  /** When it was committed, in RFC 3339. */
  created: string
}

export async function readRevision(): Promise<Revision> {
  const { stdout } = await run('git', ['log', '-1', '--format=%H %cI'], { cwd: root }).catch(() => ({
    stdout: '',
  }))
  const [revision = 'unknown', created = new Date(0).toISOString()] = stdout.trim().split(' ').filter(Boolean)
  return { revision, created }
}
