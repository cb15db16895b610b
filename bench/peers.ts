import { execFile, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { KeyPair } from '../src/tls/issue.ts'
import { MeasuredServer, spawnPinned } from './server.ts'

/** A webhook of the same rewrites in Go, with controller-runtime (`peers/go`). It is built first: minutes, once. */
export async function startGoPeer(pair: KeyPair, ca: string): Promise<MeasuredServer> {
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-bench-'))
  try {
    const [binary, cert, key] = ['peer', 'cert.pem', 'key.pem'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    const source = fileURLToPath(new URL('peers/go', import.meta.url))
    await promisify(execFile)('go', ['build', '-o', binary, '.'], { cwd: source })
    await Promise.all([writeFile(cert, pair.cert), writeFile(key, pair.key, { mode: 0o600 })])
    const options: SpawnOptions = { stdio: ['ignore', 'pipe', 'inherit'] }
    const child = spawnPinned([binary, cert, key], options)
    const [port] = await once(createInterface({ input: child.stdout as Readable }), 'line')
    return new MeasuredServer(child, Number(port), ca)
  } finally {
    await rm(folder, { recursive: true })
  }
}
