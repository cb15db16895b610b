import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { connect as connectPlain, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { createAuthority } from '../../src/tls/authority.ts'
import { issue, type KeyPair } from '../../src/tls/issue.ts'
import { until } from '../cluster/until.ts'
import { type AttackedWarmgate, attack, post as send } from './warmgate.ts'

const review = JSON.stringify({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: 'u',
    operation: 'CREATE',
    resource: { resource: 'pods' },
    object: { kind: 'Pod', metadata: { name: 'p' } },
  },
})

const post = (attacked: AttackedWarmgate, agent: Agent) => send(attacked, agent, review)

test('one unknown client cannot block the API server, however many connections it opens', async () => {
  const attacked = await attack()
  const sockets: Socket[] = []
  try {
    const apiServer = new Agent({ rejectUnauthorized: false, keepAlive: true, maxSockets: 1 })
    expect(await post(attacked, apiServer)).toBe(200)
    // Half of them send nothing, and half start a request that they never finish.
    for (let round = 0; round < 10; round++) {
      const opened = Array.from({ length: 100 }, (_, index) => {
        if (index % 2 === 0) return connectPlain(attacked.port, '127.0.0.1')
        const slow: TLSSocket = connect(
          { host: '127.0.0.1', port: attacked.port, rejectUnauthorized: false },
          () => slow.write('POST /mutate-pod HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{'),
        )
        return slow
      })
      for (const socket of opened) socket.on('error', () => {}).resume()
      sockets.push(...opened)
      // The connection that it has, and a new one.
      expect(await post(attacked, apiServer)).toBe(200)
      expect(await post(attacked, new Agent({ rejectUnauthorized: false }))).toBe(200)
    }
    await until('end of the idle ones', async () => sockets.every(({ destroyed }) => destroyed) || undefined)
    expect(await post(attacked, apiServer)).toBe(200)
  } finally {
    for (const socket of sockets) socket.destroy()
    await attacked.stop()
  }
})

test('with --client-ca only the API server sends a review', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'warmgate-clients-'))
  const nowMs = Date.now()
  const authority = await createAuthority({ nowMs, validDays: 1 })
  const file = join(dir, 'ca.pem')
  await writeFile(file, authority.cert)
  const client = (commonName: string, issuer: KeyPair) =>
    issue({
      commonName,
      issuer,
      notBeforeMs: nowMs - 60_000,
      notAfterMs: nowMs + 3_600_000,
      extensions: [{ name: 'extKeyUsage', clientAuth: true }],
    })
  const attacked = await attack({}, ['--client-ca', file, '--client-name', 'kube-apiserver'])
  try {
    const as = async (pair: Partial<KeyPair>) =>
      await post(attacked, new Agent({ rejectUnauthorized: false, ...pair })).catch(() => 'refused')
    expect(await as({})).toBe('refused')
    const other = await createAuthority({ nowMs, validDays: 1 })
    expect(await as(await client('kube-apiserver', other))).toBe('refused')
    expect(await as(await client('tenant', authority))).toBe(403)
    expect(await as(await client('kube-apiserver', authority))).toBe(200)
  } finally {
    await attacked.stop()
    await rm(dir, { recursive: true })
  }
})
