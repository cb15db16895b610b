import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { createAuthority } from '../../src/tls/authority.ts'
import type { KeyPair } from '../../src/tls/issue.ts'
import { createServing } from '../../src/tls/serving.ts'
import { kubernetesAddress } from './ports.ts'

/** The users of a cluster, their rights, and how they authenticate. */
export interface Access {
  url: string
  /** Signs the certificates of all servers in this cluster. */
  authority: KeyPair
  /** Files for the API server's flags. */
  files: {
    ca: string
    cert: string
    key: string
    tokens: string
    authentication: string
    serviceAccountKey: string
  }
  /** An administrator under a name that shows in managed fields. */
  adminToken(user: string): string
}

export const admins = [
  'admin',
  'kube-controller-manager',
  'kube-scheduler',
  'kwok',
  'kserve',
  'fluid',
] as const
// Anonymous access is only allowed for health checks.
const authentication = {
  apiVersion: 'apiserver.config.k8s.io/v1',
  kind: 'AuthenticationConfiguration',
  anonymous: { enabled: true, conditions: ['/livez', '/readyz', '/healthz'].map((path) => ({ path })) },
}

export async function createAccess(folder: string, url: string): Promise<Access> {
  const nowMs = Date.now()
  const authority = await createAuthority({ nowMs, validDays: 30 })
  const names = {
    service: 'kubernetes',
    namespace: 'default',
    extra: ['127.0.0.1', 'localhost', kubernetesAddress],
  }
  const serving = await createServing({ authority, names, nowMs, validDays: 30 })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const tokens = new Map(admins.map((user) => [user as string, randomBytes(16).toString('hex')]))
  const write = async (name: string, content: string) => {
    await writeFile(join(folder, name), content, { mode: 0o600 })
    return join(folder, name)
  }
  const rows = [...tokens].map(([user, token]) => `${token},${user},${user},"system:masters"\n`)
  return {
    url,
    authority,
    files: {
      ca: await write('ca.crt', authority.cert),
      cert: await write('apiserver.crt', serving.cert),
      key: await write('apiserver.key', serving.key),
      tokens: await write('tokens.csv', rows.join('')),
      authentication: await write('authentication.json', JSON.stringify(authentication)),
      serviceAccountKey: await write(
        'service-account.key',
        privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      ),
    },
    adminToken: (user) => tokens.get(user) ?? '',
  }
}

export function kubeConfigOf({ url, authority }: Access, user: string, token: string): KubeConfig {
  const config = new KubeConfig()
  const caData = Buffer.from(authority.cert).toString('base64')
  config.loadFromClusterAndUser(
    { name: 'warmgate-test', server: url, caData, skipTLSVerify: false },
    { name: user, token },
  )
  return config
}
