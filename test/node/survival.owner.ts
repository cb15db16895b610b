import { KubeConfig } from '@kubernetes/client-node'
import { startNode } from './node.ts'

/* The owner of a node that hold.test.ts kills: node survival.owner.ts KUBECONFIG */

const kubeConfig = new KubeConfig()
kubeConfig.loadFromFile(process.argv[2] ?? '')
const { name, dir, cgroup, namespaces } = await startNode({ name: 'orphan', kubeConfig })
process.send?.({ name, dir, cgroup, namespaces })
process.on('message', () => {})
