import { readFile } from 'node:fs/promises'
import jsonPatch, { type Operation } from 'fast-json-patch'
import { parse } from 'yaml'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { type Json, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll, establish, readObjects } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'

export type Installation = 'base' | 'cluster-wide'

/**
 * Installs what a cluster gets, manifests/base as it is shipped. Only the webhook's address differs, since
 * Warmgate runs outside of the cluster here: a URL in place of the Service.
 */
export async function installWarmgate(client: KubeClient, webhookUrl: string): Promise<void> {
  const objects = await kustomized('base')
  const [crds, others] = [objects.filter(isCrd), objects.filter((object) => !isCrd(object))]
  await establish(client, { until }, crds)
  await applyAll(
    client,
    others.map((object) => atUrl(object, webhookUrl)),
  )
}

/** Installs another kustomization over the installed one: only the webhooks differ. */
export async function reinstallWebhooks(
  client: KubeClient,
  webhookUrl: string,
  installation: Installation,
): Promise<void> {
  const objects = (await kustomized(installation)).filter(isWebhookConfiguration)
  await applyAll(
    client,
    objects.map((object) => atUrl(object, webhookUrl)),
  )
}

/**
 * The API server leaves services and pods as they are if Warmgate does not answer in 5 s. On a busy machine, with
 * several files at once, that would fail tests that are not about it.
 */
export async function waitLonger(client: KubeClient): Promise<void> {
  const key = { name: 'acceleration.warmgate.dev' }
  const found = await client.get(resources.mutatingWebhookConfiguration, key)
  const body = listAt(found, 'webhooks').map((_, index) => ({
    op: 'replace' as const,
    path: `/webhooks/${index}/timeoutSeconds`,
    value: 30,
  }))
  await client.patch(resources.mutatingWebhookConfiguration, key, { type: 'json', body })
}

/** Renders a kustomization: supports the features that manifests/ uses. */
export async function kustomized(folder: string): Promise<KubeObject[]> {
  const kustomization = await readKustomization(folder)
  const parts = namesAt(kustomization, 'resources').map((name) =>
    name.startsWith('../') ? kustomized(name.slice(3)) : readObjects(`manifests/${folder}/${name}`),
  )
  const objects = (await Promise.all(parts)).flat()
  const components = namesAt(kustomization, 'components').map((name) => name.slice(3))
  for (const each of [...components, folder]) await applyPatches(objects, each)
  return objects
}

async function applyPatches(objects: KubeObject[], folder: string): Promise<void> {
  for (const patch of listAt(await readKustomization(folder), 'patches')) {
    const operations = parse(await readText(`manifests/${folder}/${stringAt(patch, 'path')}`)) as Operation[]
    const targets = objects.filter(
      ({ kind, metadata }) =>
        kind === stringAt(patch, 'target', 'kind') && metadata.name === stringAt(patch, 'target', 'name'),
    )
    for (const target of targets) jsonPatch.applyPatch(target, operations, true)
  }
}

async function readKustomization(folder: string): Promise<Json> {
  return parse(await readText(`manifests/${folder}/kustomization.yaml`)) as Json
}

function namesAt(kustomization: Json, field: 'resources' | 'components'): string[] {
  return listAt(kustomization, field) as string[]
}

async function readText(path: string): Promise<string> {
  return await readFile(new URL(`../../${path}`, import.meta.url), 'utf8')
}

function isCrd({ kind }: KubeObject): boolean {
  return kind === 'CustomResourceDefinition'
}

function isWebhookConfiguration({ kind }: KubeObject): boolean {
  return kind === 'MutatingWebhookConfiguration'
}

function atUrl(object: KubeObject, url: string): KubeObject {
  if (!isWebhookConfiguration(object)) return object
  const webhooks = listAt(object, 'webhooks').map((webhook) => {
    const path = stringAt(webhook, 'clientConfig', 'service', 'path') ?? ''
    return { ...(webhook as KubeObject), clientConfig: { url: `${url}${path}` } }
  })
  return { ...object, webhooks }
}
