import { access } from 'node:fs/promises'
import { findProgram, missingRequirement } from '../node/requirements.ts'

const tools = ['apt-get', 'dpkg-deb', 'mvn', 'python3', 'tc']

/** What a machine lacks to run a cache that is real, as the object of "needs": what a real node needs, and more. */
export async function missingForEngine(): Promise<string | undefined> {
  const missing = await missingRequirement()
  if (missing !== undefined || process.env.CI === 'true') return missing
  for (const tool of tools)
    if ((await findProgram(tool, process.env)) === undefined) return `the command ${tool}`
  const hasFuse = await access('/dev/fuse').then(
    () => true,
    () => false,
  )
  return hasFuse ? undefined : '/dev/fuse'
}
