import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import type { KubeClient } from '../../src/kube/client.ts'
import { type Json, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll, readObjects, resourceOf } from './apply.ts'

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
  await applyAll(client, crds)
  await Promise.all(crds.map((crd) => established(client, crd)))
  await applyAll(
    client,
    others.map((object) => atUrl(object, webhookUrl)),
  )
}

function isCrd({ kind }: KubeObject): boolean {
  return kind === 'CustomResourceDefinition'
}

async function established(client: KubeClient, crd: KubeObject): Promise<void> {
  const { metadata } = crd
  for (;;) {
    const found = await client.get(resourceOf(crd), { name: metadata.name ?? '' })
    const conditions = listAt(found, 'status', 'conditions')
    if (
      conditions.some(
        (condition) =>
          stringAt(condition, 'type') === 'Established' && stringAt(condition, 'status') === 'True',
      )
    )
      return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function atUrl(object: KubeObject, url: string): KubeObject {
  if (object.kind !== 'MutatingWebhookConfiguration') return object
  const webhooks = listAt(object, 'webhooks').map((webhook) => {
    const path = stringAt(webhook, 'clientConfig', 'service', 'path') ?? ''
    return { ...(webhook as KubeObject), clientConfig: { url: `${url}${path}` } }
  })
  return { ...object, webhooks }
}
