import { execFile, type SpawnOptions } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { KeyPair } from '../src/tls/issue.ts'
import { cacheFolder } from '../test/cluster/binaries.ts'
import { kubeconfigOf } from '../test/cluster/kubeconfig.ts'
import { freePorts } from '../test/cluster/ports.ts'
import { until } from '../test/cluster/until.ts'
import { createService } from './reviews.ts'
import { ScaleApi } from './scale/api.ts'
import { MeasuredServer, spawnPinned } from './server.ts'

const run = promisify(execFile)

/** A webhook of the same rewrites in Go, with controller-runtime (`peers/go`). It is built first: minutes, once. */
export async function startGoPeer(pair: KeyPair, ca: string): Promise<MeasuredServer> {
  return await inFolder(async (folder) => {
    const binary = join(folder, 'peer')
    const source = fileURLToPath(new URL('peers/go', import.meta.url))
    await run('go', ['build', '-o', binary, '.'], { cwd: source })
    const { cert, key } = await writePair(folder, pair)
    const options: SpawnOptions = { stdio: ['ignore', 'pipe', 'inherit'] }
    const child = spawnPinned([binary, cert, key], options)
    const [port] = await once(createInterface({ input: child.stdout as Readable }), 'line')
    return new MeasuredServer(child, Number(port), ca)
  })
}

/**
 * A webhook of the same rewrites with Pepr (`peers/pepr`): a capability in the runtime of its npm package, which is
 * installed first. It logs as it is shipped, to nowhere.
 */
export async function startPeprPeer(pair: KeyPair, ca: string): Promise<MeasuredServer> {
  const installed = await installPepr()
  return await inFolder(async (folder) => {
    // Pepr serves no review before it has written its store into a cluster.
    const api = new ScaleApi()
    const kubeconfig = join(folder, 'kubeconfig')
    await writeFile(kubeconfig, kubeconfigOf(await api.start()))
    const { cert, key } = await writePair(folder, pair)
    const [port = 0] = await freePorts(1)
    const secret = 'bench'
    const env = { KUBECONFIG: kubeconfig, SSL_CERT_PATH: cert, SSL_KEY_PATH: key, PEPR_API_PATH: secret }
    const ending = new URL('../test/warmgate/exit-with-parent.ts', import.meta.url).href
    const program = ['--import', ending, join(installed, 'main.mjs'), String(port)]
    const child = spawnPinned([process.execPath, ...program], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    child.once('exit', () => void api.stop())
    const server = new MeasuredServer(child, port, ca, () => `/mutate/${secret}`)
    const dead = () => (child.exitCode === null ? undefined : new Error('Pepr has ended'))
    await until('Pepr', () => server.post(createService.path, createService.body), { dead })
    return server
  })
}

/** The folder of `peers/pepr` in the cache, with what its lock file says. */
async function installPepr(): Promise<string> {
  const source = fileURLToPath(new URL('peers/pepr', import.meta.url))
  const files = ['main.mjs', 'package.json', 'package-lock.json']
  const digest = createHash('sha256')
  for (const file of files) digest.update(await readFile(join(source, file)))
  const cache = cacheFolder(process.env)
  const folder = join(cache, `pepr-${digest.digest('hex').slice(0, 12)}`)
  if (await readFile(join(folder, 'main.mjs')).catch(() => undefined)) return folder
  await mkdir(cache, { recursive: true })
  const fresh = await mkdtemp(`${folder}.`)
  try {
    for (const file of files) await cp(join(source, file), join(fresh, file))
    await run('npm', ['ci', '--omit=peer', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: fresh })
    await rename(fresh, folder)
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
  return folder
}

/** The server of a peer has read what it needs of the folder once it answers. */
async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-bench-'))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function writePair(folder: string, pair: KeyPair): Promise<{ cert: string; key: string }> {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  await Promise.all([writeFile(cert, pair.cert), writeFile(key, pair.key, { mode: 0o600 })])
  return { cert, key }
}
