import { createClient } from '../../src/kube/http.ts'
import { resources } from '../../src/kube/resources.ts'
import { startCluster } from './cluster.ts'

/* The owner of a cluster that survival.test.ts kills. */

const { dir, url, kubeconfig, kubeConfig } = await startCluster({ nodes: 1 })
const client = createClient(kubeConfig)
const theirs = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'theirs' } }
await client.create(resources.namespace, theirs)
process.send?.({ dir, url, kubeconfig })
process.on('message', () => {})
