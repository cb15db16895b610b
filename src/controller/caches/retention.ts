import { namespaceLabels } from '../../cluster/facts.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import { releasePatch, retainedUntil, unusedSinceMs } from '../../fluid/retained.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { patchByUid } from '../../kube/patch.ts'
import { resources } from '../../kube/resources.ts'
import { parsePolicy } from '../../policy/policy.ts'
import { type Labels, matchesSelector } from '../../policy/selector.ts'
import { type Clock, timestamp } from '../../values/clock.ts'
import { parseDurationMs } from '../../values/duration.ts'
import { type KubeObject, type OwnerReference, ownerReference, stringAt } from '../../values/object.ts'

interface RetentionOptions {
  client: KubeClient
  mirror: Mirror
  clock: Clock
  events: EventRecorder
}

const { kind: keeperKind } = resources.accelerationPolicy

/**
 * The policy as an additional owner of a Dataset, if the policy retains caches. Kubernetes then deletes a
 * retained Dataset when the policy is deleted, also if the CRD is deleted after Warmgate was uninstalled.
 */
export function retentionOwners(mirror: Mirror, policy: string | undefined): OwnerReference[] {
  const object = policy === undefined ? undefined : mirror.policies.get({ name: policy })
  return object === undefined || retainMs(object) === 0 ? [] : [ownerReference(object)]
}

/**
 * The milliseconds for which to keep a Dataset that no service uses; 0 if it must be deleted. The time since
 * which it is unused is recorded on it, so that a restart does not extend it; the duration follows the
 * current policy. Never writes to a newer Dataset with the same name.
 */
export async function retain(options: RetentionOptions, dataset: KubeObject): Promise<number> {
  const { client, mirror, clock, events } = options
  const policy = retentionPolicy(mirror, dataset)
  const keptMs = policy === undefined ? 0 : retainMs(policy)
  if (keptMs === 0) return 0
  const sinceMs = unusedSinceMs(dataset, clock.now())
  const until = timestamp(sinceMs + keptMs)
  if (retainedUntil(dataset) !== until) {
    const body = releasePatch({ since: timestamp(sinceMs), until })
    const written = await patchByUid(client, resources.dataset, dataset, { type: 'merge', body })
    const note = `no service uses it any more: it is retained until ${until} (cache.retain of AccelerationPolicy ${policy?.metadata.name})`
    if (written !== undefined)
      events.record({ regarding: dataset, type: 'Normal', reason: 'CacheRetained', note, action: 'Retain' })
  }
  return Math.max(Date.parse(until) - clock.now(), 0)
}

/** Removes the retention of a Dataset that a service uses again. */
export async function clearRetention(
  { client }: Pick<RetentionOptions, 'client'>,
  dataset: KubeObject,
): Promise<void> {
  if (retainedUntil(dataset) === undefined) return
  const body = releasePatch({ since: null, until: null })
  await patchByUid(client, resources.dataset, dataset, { type: 'merge', body })
}

/**
 * The policy that retains a Dataset: an owner that selects its namespace. If there are several, the shortest
 * retention wins, because any client that may write the Dataset can add an owner.
 */
function retentionPolicy(
  mirror: Mirror,
  { metadata: { ownerReferences = [], namespace = '' } }: KubeObject,
): KubeObject | undefined {
  const isFor = (policy: KubeObject) => selects(policy, namespaceLabels(mirror, namespace))
  return ownerReferences
    .filter(({ kind }) => kind === keeperKind)
    .flatMap(({ name, uid }) => {
      const policy = mirror.policies.get({ name })
      return policy?.metadata.uid === uid && policy !== undefined && isFor(policy) ? [policy] : []
    })
    .toSorted((a, b) => retainMs(a) - retainMs(b))[0]
}

function selects(object: KubeObject, labels: Labels): boolean {
  const parsed = parsePolicy(object)
  return parsed.ok && matchesSelector(parsed.policy.spec.namespaceSelector, labels)
}

function retainMs(policy: KubeObject): number {
  return parseDurationMs(stringAt(policy, 'spec', 'cache', 'retain') ?? '') ?? 0
}
