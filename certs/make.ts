import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { createAuthority } from '../src/tls/authority.ts'
import { createServing } from '../src/tls/serving.ts'

const folder = new URL('dev/', import.meta.url)
const nowMs = Date.now()
const authority = await createAuthority({ nowMs, validDays: 30 })
const { key, cert } = await createServing({
  authority,
  names: { service: 'warmgate', namespace: 'warmgate-system', extra: ['localhost', '127.0.0.1', '::1'] },
  nowMs,
  validDays: 30,
})

await mkdir(folder, { recursive: true })
await writeFile(new URL('ca.crt', folder), authority.cert)
await writeFile(new URL('tls.crt', folder), cert)
await writeFile(new URL('tls.key', folder), key, { mode: 0o600 })
process.stdout.write(`${fileURLToPath(folder)}: ca.crt, tls.crt and tls.key, good for 30 days\n`)
