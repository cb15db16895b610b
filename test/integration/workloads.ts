import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { getIn, type Json, type JsonObject, type KubeObject, objectAt } from '../../src/values/object.ts'
import { resourceOf } from '../cluster/objects.ts'

/** The workloads that KServe creates for services. */
const kinds = [
  ['apps/v1', 'Deployment'],
  ['serving.knative.dev/v1', 'Service'],
  ['leaderworkerset.x-k8s.io/v1', 'LeaderWorkerSet'],
] as const

/** All workloads of a namespace, each with its kind, by name. */
export async function workloadsIn(client: KubeClient, namespace: string): Promise<KubeObject[]> {
  const lists = await Promise.all(
    kinds.map(async ([apiVersion, kind]) => {
      const { items } = await client.list(resourceOf({ apiVersion, kind, metadata: {} }), { namespace })
      return items.map((item) => ({ ...item, apiVersion, kind }))
    }),
  )
  return lists.flat().sort((a, b) => (a.metadata.name ?? '').localeCompare(b.metadata.name ?? ''))
}

/** A workload's pod templates: two of a LeaderWorkerSet, the leader's first. */
export function templatesOf(workload: KubeObject): Json[] {
  const templates =
    workload.kind === 'LeaderWorkerSet'
      ? ['leaderTemplate', 'workerTemplate'].map((name) =>
          getIn(workload, 'spec', 'leaderWorkerTemplate', name),
        )
      : [getIn(workload, 'spec', 'template')]
  return templates.filter((template) => template !== undefined)
}

/** The pod that a workload's controller would create, after KServe's and Warmgate's pod webhooks. */
export async function podsFrom(client: KubeClient, workload: KubeObject): Promise<KubeObject[]> {
  return await Promise.all(
    templatesOf(workload).map((template) =>
      client.create(resources.pod, podFrom(template, workload), { dryRun: true }),
    ),
  )
}

function podFrom(template: Json, { metadata, kind }: KubeObject): KubeObject {
  const spec = objectAt(template, 'spec')
  // Knative's own fields are none of a pod's.
  const {
    containerConcurrency,
    timeoutSeconds,
    responseStartTimeoutSeconds,
    idleTimeoutSeconds,
    ...knative
  } = spec
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...(objectAt(template, 'metadata') as JsonObject),
      name: `${metadata.name}-pod`,
      namespace: metadata.namespace ?? '',
    },
    spec: { ...(kind === 'Service' ? knative : spec), serviceAccountName: 'default' },
  }
}
