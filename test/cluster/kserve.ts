import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { createServing } from '../../src/tls/serving.ts'
import { at, type JsonObject, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import type { Parts } from './control-plane.ts'
import { createAll, establish } from './objects.ts'
import { freePorts } from './ports.ts'

const namespace = 'kserve'

/**
 * Installs KServe as its manifests have it, in Standard mode and without ingress, and runs its manager. Only the
 * addresses of its webhooks differ, since the manager runs outside of the cluster here.
 */
export async function startKServe(parts: Parts, client: KubeClient): Promise<void> {
  const { crds, configMap, runtimes, storageContainers, webhooks } = parts.binaries.manifests.kserve
  const home: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  await Promise.all([establish(client, parts.processes, crds), createAll(client, [home])])
  await createAll(client, [...configMap.map(configure), ...runtimes, ...storageContainers])
  const [port = 0] = await freePorts(1)
  await startManager(parts, port)
  await parts.processes.until("KServe's webhook server", () => handshake(port))
  await createAll(
    client,
    webhooks.map((configuration) => atPort(configuration, port, parts.access.authority.cert)),
  )
  await parts.processes.until("KServe's webhooks", () => areWebhooksCalled(client))
}

/** The changes that a cluster without Knative, Istio and an ingress controller needs. */
function configure(configMap: KubeObject): KubeObject {
  const data = { ...(configMap.data as { [key: string]: string }) }
  const change = (key: string, changes: JsonObject) => {
    data[key] = JSON.stringify({ ...JSON.parse(data[key] ?? '{}'), ...changes })
  }
  change('deploy', { defaultDeploymentMode: 'Standard' })
  change('ingress', { disableIstioVirtualHost: true, disableIngressCreation: true })
  return { ...configMap, data }
}

async function startManager({ folder, access, ...parts }: Parts, port: number): Promise<void> {
  // The manager has no flag for it: controller-runtime looks for its certificate under the temporary folder.
  const temporary = join(folder, 'kserve')
  const certificates = join(temporary, 'k8s-webhook-server/serving-certs')
  const pair = await createServing({
    authority: access.authority,
    names: { service: 'kserve-webhook-server-service', namespace, extra: ['127.0.0.1'] },
    nowMs: Date.now(),
  })
  await mkdir(certificates, { recursive: true })
  await writeFile(join(certificates, 'tls.crt'), pair.cert)
  await writeFile(join(certificates, 'tls.key'), pair.key, { mode: 0o600 })
  parts.processes.start(
    'kserve-manager',
    parts.binaries.path('kserve-manager'),
    [`--webhook-port=${port}`, '--metrics-addr=0', '--health-probe-addr=0'],
    { KUBECONFIG: parts.kubeconfig('kserve'), POD_NAMESPACE: namespace, TMPDIR: temporary },
  )
}

async function handshake(port: number): Promise<true> {
  const { promise, resolve, reject } = Promise.withResolvers<true>()
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => resolve(true))
  socket.on('error', reject)
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}

function atPort(configuration: KubeObject, port: number, authority: string): KubeObject {
  const webhooks = listAt(configuration, 'webhooks').map((webhook) => {
    const path = stringAt(webhook, 'clientConfig', 'service', 'path')
    const clientConfig = {
      url: `https://127.0.0.1:${port}${path}`,
      caBundle: Buffer.from(authority).toString('base64'),
    }
    return { ...(webhook as JsonObject), clientConfig }
  })
  return { ...configuration, webhooks }
}

/** The API server takes a moment to notice a configuration. What KServe's defaulter does shows that it has. */
async function areWebhooksCalled(client: KubeClient): Promise<true | undefined> {
  const answer = await client.create(resources.inferenceService, probe, { dryRun: true })
  return at(answer, 'spec', 'predictor', 'model') === undefined ? undefined : true
}

const probe: KubeObject = {
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  metadata: { name: 'probe', namespace: 'default' },
  spec: { predictor: { sklearn: { storageUri: 's3://models/probe' } } },
}
