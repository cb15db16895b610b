import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import type { KubeClient } from '../../src/kube/client.ts'
import { type Json, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll, establish, readObjects } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'

/**
 * Installs what a cluster gets, manifests/base as it is shipped. Only the webhook's address differs, since
 * Warmgate runs outside of the cluster here: a URL in place of the Service.
 */
export async function installWarmgate(client: KubeClient, webhookUrl: string): Promise<void> {
  const kustomization: unknown = parse(
    await readFile(new URL('../../manifests/base/kustomization.yaml', import.meta.url), 'utf8'),
  )
  const files = listAt(kustomization as Json, 'resources') as string[]
  const objects = (await Promise.all(files.map((file) => readObjects(`manifests/base/${file}`)))).flat()
  const [crds, others] = [objects.filter(isCrd), objects.filter((object) => !isCrd(object))]
  await establish(client, { until }, crds)
  await applyAll(
    client,
    others.map((object) => atUrl(object, webhookUrl)),
  )
}

function isCrd({ kind }: KubeObject): boolean {
  return kind === 'CustomResourceDefinition'
}

function atUrl(object: KubeObject, url: string): KubeObject {
  if (object.kind !== 'MutatingWebhookConfiguration') return object
  const webhooks = listAt(object, 'webhooks').map((webhook) => {
    const path = stringAt(webhook, 'clientConfig', 'service', 'path') ?? ''
    return { ...(webhook as KubeObject), clientConfig: { url: `${url}${path}` } }
  })
  return { ...object, webhooks }
}
