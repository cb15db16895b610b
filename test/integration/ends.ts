import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/original.ts'
import type { JsonObject } from '../../src/values/object.ts'
import { resourceOf } from '../cluster/objects.ts'
import type { Ground } from '../warmgate/stage.ts'

/** What becomes of a pod that was held. */
export type Outcome =
  /** The same pod serves, and an Event on it says why. */
  | { kind: 'released'; reason: 'Warm' | 'TimedOut' | 'WarmupFailed' | 'NotHeld'; type: 'Normal' | 'Warning' }
  /** Its service goes back to the storage initializer, with an Event on both. */
  | { kind: 'reverted' }
  /** It goes on waiting, and its condition says why. */
  | { kind: 'kept'; reason: 'TimedOut' | 'WarmupFailed' }
  /** It goes with its service. */
  | { kind: 'gone' }

/** One way in which a hold can end. */
export interface End {
  /** The namespace in which it is tried. */
  name: string
  what: string
  hold?: JsonObject
  /** What happens to a held pod; nothing, where time alone does it. */
  happens?: (ground: Ground, namespace: string) => Promise<void>
  outcome: Outcome
}

/** Of the model of a namespace: one that is loaded at once, and one that never will be. */
export const [smallBytes, endlessBytes] = [2 ** 20, 2 ** 50]
export const service = 'held'
const deployment = resourceOf({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: {} })

const warm: Outcome = { kind: 'released', reason: 'Warm', type: 'Normal' }
const notHeld: Outcome = { kind: 'released', reason: 'NotHeld', type: 'Normal' }
const timedOut: Outcome = { kind: 'released', reason: 'TimedOut', type: 'Warning' }
const failed: Outcome = { kind: 'released', reason: 'WarmupFailed', type: 'Warning' }
const atScheduling = { at: 'Scheduling' }

/** One row for each word of the policy about it. */
function each(setting: 'onTimeout' | 'onFailure', serves: Outcome, end: Omit<End, 'outcome'>): End[] {
  const keeps: Outcome = { kind: 'kept', reason: setting === 'onTimeout' ? 'TimedOut' : 'WarmupFailed' }
  const outcomes: { [word: string]: Outcome } = { Serve: serves, Revert: { kind: 'reverted' }, Keep: keeps }
  return Object.entries(outcomes).map(([word, outcome]) => ({
    ...end,
    name: `${end.name}-${word.toLowerCase()}`,
    hold: { ...end.hold, [setting]: word },
    outcome,
  }))
}

/** What ends a hold as it happens. */
export const ends: End[] = [
  { name: 'warm', what: 'the cache is warm', outcome: warm },
  { name: 'warm-gated', what: 'the cache is warm', hold: atScheduling, outcome: warm },
  ...each('onFailure', failed, { name: 'failed', what: 'the DataLoad failed for good' }),
  ...each('onFailure', failed, { name: 'deleted', what: 'the Dataset is deleted', happens: deleteDataset }),
  { name: 'opted-out', what: 'the service opts out', happens: optOut, outcome: notHeld },
  {
    name: 'no-policy',
    what: 'its policy is deleted, and no other matches',
    happens: deletePolicy,
    outcome: notHeld,
  },
  { name: 'left', what: 'the label is taken off the namespace', happens: takeLabelOff, outcome: notHeld },
  { name: 'removed', what: 'the service is deleted', happens: deleteService, outcome: { kind: 'gone' } },
]

/** Half a minute after the pod's creation, since a pod may be seen before its service is. */
export const orphanEnds: End[] = [
  {
    name: 'orphan',
    what: 'the service is deleted, and its pod is not (`--cascade=orphan`)',
    happens: orphan,
    outcome: notHeld,
  },
]

/** What ends at `warmup.timeout`. */
export const lateEnds: End[] = [
  ...each('onTimeout', timedOut, { name: 'slow', what: '`warmup.timeout` since the pod was created' }),
  {
    name: 'slow-gated',
    what: '`warmup.timeout` since the pod was created',
    hold: atScheduling,
    outcome: timedOut,
  },
  ...each('onTimeout', timedOut, { name: 'unbound', what: 'the Dataset is never Bound' }),
]

/** Whether the keys are missing without which Fluid never mounts the model of a namespace. */
export function isUnbound({ name }: Pick<End, 'name'>): boolean {
  return name.startsWith('unbound')
}

/** What does not end a hold: it goes on from what stands in the API server. */
export const passages = [
  { name: 'restarted', what: 'the controller restarts' },
  { name: 'handed-over', what: 'another replica leads' },
]

/** What is not to be loaded, or not to be warm, is endless; what fails does so half-way, so that it must be small. */
export function modelBytes(mountPoint: string): number {
  const isSmall = [/\/warm/, /\/failed/, ...passages.map(({ name }) => new RegExp(`/${name}`))]
  return isSmall.some((name) => name.test(mountPoint)) ? smallBytes : endlessBytes
}

async function cacheOf({ client }: Ground, namespace: string): Promise<string> {
  const found = await client.get(resources.inferenceService, { namespace, name: service })
  const [cache = ''] = found === undefined ? [] : cacheNames(found)
  return cache
}

async function deleteDataset(ground: Ground, namespace: string): Promise<void> {
  await ground.client.delete(resources.dataset, { namespace, name: await cacheOf(ground, namespace) })
}

async function optOut({ client }: Ground, namespace: string): Promise<void> {
  const body = { metadata: { annotations: { 'warmgate.dev/acceleration': 'disabled' } } }
  await client.patch(resources.inferenceService, { namespace, name: service }, { type: 'merge', body })
}

async function deletePolicy({ client }: Ground, namespace: string): Promise<void> {
  await client.delete(resources.accelerationPolicy, { name: namespace })
}

async function takeLabelOff({ client }: Ground, namespace: string): Promise<void> {
  const body = { metadata: { labels: { 'warmgate.dev/acceleration': null } } }
  await client.patch(resources.namespace, { name: namespace }, { type: 'merge', body })
}

async function deleteService({ client }: Ground, namespace: string): Promise<void> {
  await client.delete(resources.inferenceService, { namespace, name: service })
}

/** What KServe made belongs to nobody any more, as kubectl leaves it behind. */
async function orphan(ground: Ground, namespace: string): Promise<void> {
  const { client } = ground
  const key = { namespace, name: `${service}-predictor` }
  await deleteService(ground, namespace)
  const body = { metadata: { ownerReferences: null } }
  await client.patch(deployment, key, { type: 'merge', body })
}
