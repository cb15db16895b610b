import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/values/object.ts'
import { nodeResource } from '../cluster/nodes.ts'
import { applyAll } from '../cluster/objects.ts'
import { namespace } from '../integration/services.ts'

export const csiNodeResource = {
  ...{ group: 'storage.k8s.io', version: 'v1', plural: 'csinodes', kind: 'CSINode', namespaced: false },
}

/** What Fluid's CSI driver registers on a node. */
export function csiNode(name: string): KubeObject {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSINode',
    metadata: { name },
    spec: { drivers: [{ name: 'fuse.csi.fluid.io', nodeID: name, topologyKeys: [] }] },
  }
}

/** Creates the Deployments of KServe and Fluid, and the CSI driver on each node, as `warmgate doctor` looks for them. */
export async function installControllers(client: KubeClient): Promise<void> {
  await applyAll(client, [
    ...['kserve', 'fluid-system'].map((name) => namespace(name, {})),
    deployment('kserve', 'kserve-controller-manager', 'kserve/kserve-controller:v0.20.0'),
    deployment('fluid-system', 'dataset-controller', 'fluid/dataset-controller:v1.0.8'),
    deployment('fluid-system', 'jindoruntime-controller', 'fluid/jindoruntime-controller:v1.0.8', 0),
  ])
  const { items: nodes } = await client.list(nodeResource)
  for (const { metadata } of nodes) await client.create(csiNodeResource, csiNode(metadata.name ?? ''))
}

function deployment(namespaceName: string, name: string, image: string, replicas = 1): KubeObject {
  const labels = { app: name }
  const spec = { containers: [{ name: 'manager', image }] }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: namespaceName, name },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  }
}
