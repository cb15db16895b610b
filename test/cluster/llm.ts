import type { KubeClient } from '../../src/kube/client.ts'
import { getIn, type JsonObject, type KubeObject, objectAt, stringAt } from '../../src/values/object.ts'
import type { Parts } from './control-plane.ts'
import { calling, kserveNamespace, type Manager, startManager } from './manager.ts'
import { createAll, establish, resourceOf } from './objects.ts'

/**
 * Installs the CRDs of LLMInferenceServices, and of the objects that their manager creates, before it starts.
 */
export async function establishLlm(parts: Parts, client: KubeClient, manager: Manager): Promise<void> {
  const { crds, thirdParty } = parts.binaries.manifests.kserve.llm
  const converting = crds.map((crd) => convertedBy(manager, crd))
  await establish(client, parts.processes, [...converting, ...thirdParty])
}

/** Runs the manager of LLMInferenceServices, with its configurations and webhooks. */
export async function startLlm(parts: Parts, client: KubeClient, manager: Manager): Promise<void> {
  const { configs, webhooks } = parts.binaries.manifests.kserve.llm
  await startManager(parts, manager)
  const home = { namespace: kserveNamespace }
  await createAll(
    client,
    configs.map((config) => ({ ...config, metadata: { ...config.metadata, ...home } })),
  )
  await createAll(client, calling(manager, webhooks))
  await parts.processes.until("webhooks of KServe's LLMInferenceService", () => areWebhooksCalled(client))
}

/** Lets the manager convert between the two versions of a CRD. */
function convertedBy(manager: Manager, crd: KubeObject): KubeObject {
  const webhook = objectAt(crd, 'spec', 'conversion', 'webhook')
  const clientConfig = manager.clientConfig(stringAt(webhook, 'clientConfig', 'service', 'path') ?? '')
  const conversion = { strategy: 'Webhook', webhook: { ...webhook, clientConfig } }
  return { ...crd, spec: { ...(crd.spec as JsonObject), conversion } }
}

/** Both defaulters and the conversion between their versions: each shows in the model's name. */
async function areWebhooksCalled(client: KubeClient): Promise<true | undefined> {
  const answers = await Promise.all(
    ['v1alpha1', 'v1alpha2'].map(async (version) => {
      const probe = { ...llm, apiVersion: `serving.kserve.io/${version}` }
      return await client.create(resourceOf(probe), probe, { dryRun: true })
    }),
  )
  return answers.every((answer) => getIn(answer, 'spec', 'model', 'name') !== undefined) || undefined
}

const llm: KubeObject = {
  apiVersion: '',
  kind: 'LLMInferenceService',
  metadata: { name: 'probe', namespace: 'default' },
  spec: { model: { uri: 'pvc://probe' } },
}
