import { KubeConfig } from '@kubernetes/client-node'
import type { KubeClient } from '../../src/kube/client.ts'
import { createClient } from '../../src/kube/http.ts'
import { resources } from '../../src/kube/resources.ts'
import type { KubeObject } from '../../src/values/object.ts'
import { startCluster } from '../cluster/cluster.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { installWarmgate } from '../warmgate/install.ts'

export const accountName = { namespace: 'warmgate-system', name: 'warmgate' }

/**
 * A cluster with KServe and manifests/base as shipped, and no process of Warmgate: only its account is used.
 */
export interface Stolen {
  /** The cluster's administrator. */
  admin: KubeClient
  /** Warmgate's own account. */
  account: KubeClient
  stop(): Promise<void>
}

export async function stealAccount(): Promise<Stolen> {
  const cluster = await startCluster({ nodes: 0, kserve: true })
  try {
    const admin = createClient(cluster.kubeConfig, { timeoutMs: 120_000 })
    // Nothing listens there: the API server skips the webhook (failurePolicy: Ignore).
    await installWarmgate(admin, 'https://127.0.0.1:1')
    const config = new KubeConfig()
    config.loadFromFile(await cluster.kubeconfigFor(accountName))
    const account = createClient(config)
    return {
      admin,
      account,
      async stop() {
        await Promise.all([admin.close(), account.close()])
        await cluster.stop()
      },
    }
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

/** Binds the account to a ClusterRole, in one namespace or in all. */
export async function bind(admin: KubeClient, role: string, namespace?: string): Promise<void> {
  const apiGroup = 'rbac.authorization.k8s.io'
  await applyAll(admin, [
    {
      apiVersion: `${apiGroup}/v1`,
      kind: namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding',
      metadata: { name: `test-${role}`, ...(namespace && { namespace }) },
      roleRef: { apiGroup, kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', ...accountName }],
    },
  ])
}

/** Creates namespaces. Each can hold pods once this resolves. */
export async function makeNamespaces(admin: KubeClient, ...names: string[]): Promise<void> {
  for (const name of names) {
    await admin.apply(resources.namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    await until(`a service account in ${name}`, () =>
      admin.get(resources.serviceAccount, { namespace: name, name: 'default' }),
    )
  }
}

/** How the API server refused a write; undefined where it did not. */
export async function refusalOf(
  write: Promise<unknown>,
): Promise<{ status: number; message: string } | undefined> {
  return await write.then(
    () => undefined,
    (error: { status: number; message: string }) => error,
  )
}

/** With other fields of its metadata. */
export function withMetadata(object: KubeObject, metadata: KubeObject['metadata']): KubeObject {
  return { ...object, metadata: { ...object.metadata, ...metadata } }
}
