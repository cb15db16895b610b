import { provideFromDebian } from '../cluster/debian.ts'
import { findProgram } from './requirements.ts'

/**
 * The path of runc: the machine's own, or else that of Debian's package. It is not built from source as the others are,
 * because without libseccomp and its headers it refuses every pod.
 * @throws ClusterError RUNC_MISSING
 */
export async function provideRunc(progress: (line: string) => void): Promise<string> {
  const own = await findProgram('runc', process.env)
  if (own !== undefined) return own
  return await provideFromDebian('runc', { path: 'usr/sbin/runc', code: 'RUNC_MISSING', progress })
}
