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

interface Options {
  client: KubeClient
  mirror: Mirror
  clock: Clock
  events: EventRecorder
}

const { kind: keeperKind } = resources.accelerationPolicy

/**
 * The policy as an owner of a Dataset beside its services, where it retains caches. So a Dataset is there for as long
 * as one of them is, and Kubernetes itself takes away what is retained when the policies go: with the CRD, too, after
 * Warmgate was uninstalled.
 */
export function retentionOwners(mirror: Mirror, policy: string | undefined): OwnerReference[] {
  const object = policy === undefined ? undefined : mirror.policies.get({ name: policy })
  return object === undefined || retainMs(object) === 0 ? [] : [ownerReference(object)]
}

/**
 * How long a Dataset that no service uses is to stay, in milliseconds; 0 for no longer. When it was released is
 * written on it, so that a restart changes nothing; until when it stays follows the policy as it is now. Nothing is
 * written on another Dataset of its name.
 */
export async function retain(options: Options, dataset: KubeObject): Promise<number> {
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

/** A Dataset that a service uses again is not retained any more. */
export async function clearRetention(
  { client }: Pick<Options, 'client'>,
  dataset: KubeObject,
): Promise<void> {
  if (retainedUntil(dataset) === undefined) return
  const body = releasePatch({ since: null, until: null })
  await patchByUid(client, resources.dataset, dataset, { type: 'merge', body })
}

/**
 * The policy that a Dataset is retained by: of its owners one that selects its namespace, and the one that retains it
 * for the shortest time, since anybody who may write the Dataset can name an owner.
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
