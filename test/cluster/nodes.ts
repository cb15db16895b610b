import type { Resource } from '../../src/kube/resources.ts'
import { type KubeObject, listAt } from '../../src/values/object.ts'
import { hasCondition } from './objects.ts'

export const nodeResource: Resource = {
  group: '',
  version: 'v1',
  plural: 'nodes',
  kind: 'Node',
  namespaced: false,
}

const capacity = {
  cpu: '32',
  memory: '256Gi',
  'ephemeral-storage': '1Ti',
  pods: '110',
  'nvidia.com/gpu': '4',
}

/** A node for KWOK to play: large enough that no test has to think of it. */
export function node(index: number): KubeObject {
  const name = `node-${index}`
  const platform = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' }
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...platform } },
    status: {
      capacity,
      allocatable: capacity,
    },
  }
}

/** Ready, and no longer tainted as every new node is. */
export function takesPods(found: KubeObject): boolean {
  return hasCondition(found, 'Ready', 'True') && listAt(found, 'spec', 'taints').length === 0
}
