import type { KubeObject, ObjectKey } from '../values/object.ts'
import type { KubeClient } from './client.ts'
import { resources } from './resources.ts'

/**
 * Writes a Secret that Warmgate's replicas share: replaces `present`, as it was read, or creates a new one. Rejects
 * with a conflict (409) if another replica was faster.
 */
export async function writeOwnSecret(
  client: Pick<KubeClient, 'create' | 'replace'>,
  key: ObjectKey,
  { present, data }: { present: KubeObject | undefined; data: { [name: string]: string } },
): Promise<void> {
  if (present !== undefined) {
    await client.replace(resources.secret, { ...present, data })
    return
  }
  const labels = { 'app.kubernetes.io/name': 'warmgate' }
  const head = { apiVersion: 'v1', kind: 'Secret', metadata: { ...key, labels } }
  await client.create(resources.secret, { ...head, type: 'Opaque', data })
}
