import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Resource } from '../../src/kube/resources.ts'
import { resources } from '../../src/kube/resources.ts'
import { type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import { node, nodeResource, takesPods } from '../cluster/nodes.ts'
import { readObjects, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { namespace } from './services.ts'

/* Where the real scheduler places the two replicas of manifests/base. No other pods use the nodes. */

const ours = 'warmgate.test/spread'
const free = '32'
const full = '10m'
let cluster: SharedCluster
const nodes: KubeObject[] = []

beforeAll(async () => {
  cluster = await joinTestCluster('spread')
})

afterAll(async () => {
  await Promise.all(nodes.map(({ metadata: { name = '' } }) => cluster.client.delete(nodeResource, { name })))
  await cluster?.stop()
})

async function addNode(pool: string, cpu: string, taints: JsonObject[] = []): Promise<string> {
  const made = node(1)
  const name = `spread-${pool}-${nodes.length}`
  const labels = { ...made.metadata.labels, 'kubernetes.io/hostname': name, [ours]: pool }
  const status = objectAt(made, 'status')
  const allocatable = { ...objectAt(status, 'allocatable'), cpu }
  const spec = { taints: [{ key: ours, effect: 'NoSchedule' }, ...taints] }
  const object = {
    ...made,
    metadata: { name, labels },
    spec,
    status: { ...status, allocatable, capacity: allocatable },
  }
  nodes.push(await cluster.client.create(nodeResource, object))
  await until(`node ${name}`, async () => {
    const found = await cluster.client.get(nodeResource, { name })
    const taint = listAt(found, 'spec', 'taints').find((each) => stringAt(each, 'key')?.startsWith('node.'))
    return found !== undefined && taint === undefined && takesPods({ ...found, spec: {} }) ? found : undefined
  })
  return name
}

/** The Deployment as shipped, in a pool of nodes. */
async function deploy(pool: string): Promise<void> {
  const ns = `spread-${pool}`
  await cluster.client.create(resources.namespace, namespace(ns, {}))
  const [shipped] = await readObjects('manifests/base/deployment.yaml')
  if (shipped === undefined) throw new Error('no Deployment')
  const made = structuredClone(shipped)
  made.metadata.namespace = ns
  const template = objectAt(made, 'spec', 'template', 'spec')
  Object.assign(template, { serviceAccountName: 'default', nodeSelector: { [ours]: pool } })
  template.tolerations = [{ key: ours, operator: 'Exists' }]
  await cluster.client.create(resourceOf(made) as Resource, made)
}

async function pods(pool: string): Promise<KubeObject[]> {
  return (await cluster.client.list(resources.pod, { namespace: `spread-${pool}` })).items
}

const nodeOf = (pod: KubeObject) => stringAt(pod, 'spec', 'nodeName')

describe('two replicas', () => {
  test('share no node while another may have them, even if that one is full', async () => {
    const first = await addNode('pair', free)
    await addNode('pair', full)
    await deploy('pair')
    const waiting = await until('a replica that waits', async () =>
      (await pods('pair')).find((pod) =>
        listAt(pod, 'status', 'conditions').some((each) => stringAt(each, 'reason') === 'Unschedulable'),
      ),
    )
    const message = stringAt(listAt(waiting, 'status', 'conditions')[0], 'message')
    expect(message).toContain("didn't match pod topology spread constraints")
    expect((await pods('pair')).map(nodeOf).filter((name) => name !== undefined)).toEqual([first])
  })

  test('share the only node that has no taint', async () => {
    const only = await addNode('single', free)
    await addNode('single', free, [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }])
    await deploy('single')
    await until('both on it', async () => {
      const names = (await pods('single')).map(nodeOf)
      return (names.length === 2 && names.every((name) => name === only)) || undefined
    })
  })
})
