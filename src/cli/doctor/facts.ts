import { kserveNamespaces } from '../../cluster/kserve-installation.ts'
import { type KserveConfig, kserveConfigName, parseKserveConfig } from '../../kserve/config.ts'
import { isAccelerator } from '../../kserve/devices.ts'
import { builtInPolicy, type Policy, parsePolicies } from '../../policy/policy.ts'
import { isOptedIn, isSystemNamespace } from '../../policy/scope.ts'
import { accelerationLabel } from '../../values/keys.ts'
import { type KubeObject, listAt, objectAt, stringAt } from '../../values/object.ts'
import { nameOf } from './check.ts'

/* Functions that several checks use to read a snapshot. */

/** The policies that can be read; the built-in one if there are none. */
export function policiesOf(policies: KubeObject[]): Policy[] {
  return policies.length === 0 ? [builtInPolicy] : parsePolicies(policies)
}

/** The open namespaces: opted in, or covered by a policy with `scope: Cluster`. */
export function openNamespaces(namespaces: KubeObject[], policies: Policy[]): KubeObject[] {
  const isOpenToAll = policies.some(({ spec }) => spec.scope === 'Cluster')
  return namespaces.filter(({ metadata: { name = '', labels = {} } }) => {
    if (isSystemNamespace(name)) return false
    return isOptedIn(labels) || (isOpenToAll && labels[accelerationLabel] === undefined)
  })
}

/** KServe's ConfigMap, in the namespaces in which Warmgate searches it. */
export function kserveConfigOf(
  configs: KubeObject[],
  named: string | undefined,
): { config: KserveConfig; namespace: string | undefined } {
  const found = kserveNamespaces(named)
    .map((namespace) =>
      configs.find(({ metadata }) => metadata.name === kserveConfigName && metadata.namespace === namespace),
    )
    .find((config) => config !== undefined)
  return { config: parseKserveConfig(found), namespace: found?.metadata.namespace }
}

/** The version in the image of a Deployment's first container; undefined if it has no tag. */
export function versionOf(deployment: KubeObject | undefined): string | undefined {
  const [container] = listAt(deployment, 'spec', 'template', 'spec', 'containers')
  return /:(v?[0-9][^@:/]*)(@|$)/.exec(stringAt(container, 'image') ?? '')?.[1]
}

export function isReady(deployment: KubeObject): boolean {
  return Number(objectAt(deployment, 'status').readyReplicas ?? 0) > 0
}

/** The devices that a node has, by the names of their resources. */
export function devicesOf(node: KubeObject): string[] {
  const allocatable = objectAt(node, 'status', 'allocatable')
  return Object.entries(allocatable).flatMap(([name, count]) =>
    isAccelerator(name) && Number(count) > 0 ? [name] : [],
  )
}

/** Nodes that run models: nodes with devices, or every schedulable node if there are none. */
export function modelNodes(nodes: KubeObject[]): KubeObject[] {
  const withDevices = nodes.filter((node) => devicesOf(node).length > 0)
  if (withDevices.length > 0) return withDevices
  return nodes.filter((node) => !isTainted(node) && objectAt(node, 'spec').unschedulable !== true)
}

function isTainted(node: KubeObject): boolean {
  return listAt(node, 'spec', 'taints').some((taint) =>
    ['NoSchedule', 'NoExecute'].includes(stringAt(taint, 'effect') ?? ''),
  )
}

export function deploymentNamed(deployments: KubeObject[], name: string): KubeObject | undefined {
  return deployments.find((each) => nameOf(each) === name)
}
