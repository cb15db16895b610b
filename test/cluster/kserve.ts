import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { getIn, type JsonObject, type KubeObject } from '../../src/values/object.ts'
import type { Parts } from './control-plane.ts'
import { establishLlm, startLlm } from './llm.ts'
import { calling, kserveNamespace, planManager, startManager } from './manager.ts'
import { createAll, establish } from './objects.ts'

export interface KServeOptions {
  llm: boolean
  knative: boolean
}

/**
 * Installs KServe as its manifests have it, in Standard mode and without ingress, and runs its managers. Only
 * the addresses of their webhooks differ, since they run outside of the cluster here.
 */
export async function startKServe(parts: Parts, client: KubeClient, options: KServeOptions): Promise<void> {
  const { crds, knative, configMap, runtimes, storageContainers } = parts.binaries.manifests.kserve
  const namespaces = options.knative ? [kserveNamespace, 'knative-serving'] : [kserveNamespace]
  const llmManager = options.llm ? await planManager(parts, 'kserve-llmisvc-manager') : undefined
  // The manager checks only once, at its start, which resources of Knative exist.
  await Promise.all([
    establish(client, parts.processes, options.knative ? [...crds, ...knative.crds] : crds),
    createAll(client, namespaces.map(namespace)),
    llmManager && establishLlm(parts, client, llmManager),
  ])
  const settings = [...configMap.map(configure), ...(options.knative ? knative.settings : [])]
  await createAll(client, [...settings, ...runtimes, ...storageContainers])
  await Promise.all([startInference(parts, client), llmManager && startLlm(parts, client, llmManager)])
}

function namespace(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
}

/** The changes that a cluster without Istio and an ingress controller needs. */
function configure(configMap: KubeObject): KubeObject {
  const data = { ...(configMap.data as { [key: string]: string }) }
  const change = (key: string, changes: JsonObject) => {
    data[key] = JSON.stringify({ ...JSON.parse(data[key] ?? '{}'), ...changes })
  }
  change('deploy', { defaultDeploymentMode: 'Standard' })
  change('ingress', { disableIstioVirtualHost: true, disableIngressCreation: true })
  return { ...configMap, data }
}

/** The manager of InferenceServices. */
async function startInference(parts: Parts, client: KubeClient): Promise<void> {
  const manager = await planManager(parts, 'kserve-manager')
  await startManager(parts, manager)
  await createAll(client, calling(manager, parts.binaries.manifests.kserve.webhooks))
  await parts.processes.until("KServe's webhooks", () => areWebhooksCalled(client))
}

/**
 * The API server takes a moment to notice a configuration. What KServe's defaulter does shows that it has.
 */
async function areWebhooksCalled(client: KubeClient): Promise<true | undefined> {
  const answer = await client.create(resources.inferenceService, probe, { dryRun: true })
  return getIn(answer, 'spec', 'predictor', 'model') === undefined ? undefined : true
}

const probe: KubeObject = {
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  metadata: { name: 'probe', namespace: 'default' },
  spec: { predictor: { sklearn: { storageUri: 's3://models/probe' } } },
}
