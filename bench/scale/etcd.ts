import type { Resource } from '../../src/kube/resources.ts'
import type { KubeObject } from '../../src/values/object.ts'

const atOnce = 64
const parallel = 4

/**
 * Writes objects into etcd as an API server would store them: created one by one through it, 25,000 objects take minutes.
 * An API server that runs sees them on its watch.
 */
export async function storeAll(
  url: string,
  objects: Iterable<{ resource: Resource; object: KubeObject }>,
): Promise<void> {
  const batches = batchesOf(objects)
  const write = async () => {
    for (const batch of batches) await put(url, batch)
  }
  await Promise.all(Array.from({ length: parallel }, write))
}

function* batchesOf<T>(all: Iterable<T>): Generator<T[]> {
  let batch: T[] = []
  for (const each of all) {
    batch.push(each)
    if (batch.length < atOnce) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

async function put(url: string, objects: { resource: Resource; object: KubeObject }[]): Promise<void> {
  const success = objects.map(({ resource, object }) => ({
    request_put: {
      key: base64(keyOf(resource, object)),
      value: base64(
        JSON.stringify({ ...object, metadata: { uid: crypto.randomUUID(), ...object.metadata } }),
      ),
    },
  }))
  const answer = await fetch(`${url}/v3/kv/txn`, { method: 'POST', body: JSON.stringify({ success }) })
  if (!answer.ok) throw new Error(`etcd answered ${answer.status}: ${await answer.text()}`)
  await answer.arrayBuffer()
}

/** Resources of custom groups lie under their group, those of Kubernetes itself only under their name. */
function keyOf({ group, plural }: Resource, { metadata: { namespace, name } }: KubeObject): string {
  const place = group.includes('.') && !group.endsWith('.k8s.io') ? `${group}/${plural}` : plural
  return ['/registry', place, ...(namespace === undefined ? [] : [namespace]), name].join('/')
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
