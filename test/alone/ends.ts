import { CustomObjectsApi } from '@kubernetes/client-node'
import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import type { JsonObject, KubeObject } from '../../src/values/object.ts'
import type { BareCluster } from '../warmgate/test-cluster.ts'

/** The end of a held pod. */
export type Outcome =
  /** The same pod serves, and gets an Event with the reason. */
  | { kind: 'released'; reason: 'Warm' | 'TimedOut' | 'WarmupFailed' | 'NotHeld'; type: 'Normal' | 'Warning' }
  /** Its service is reverted to the storage initializer; both get an Event. */
  | { kind: 'reverted' }
  /** It continues to wait, and its condition has the reason. */
  | { kind: 'kept'; reason: 'TimedOut' | 'WarmupFailed' }
  /** It is deleted with its service. */
  | { kind: 'gone' }

/** One end of a hold. */
export interface HoldEnd {
  /** The namespace of its test. */
  name: string
  what: string
  hold?: JsonObject
  /** Causes the end; unset if only time must pass. */
  act?: (bare: BareCluster, namespace: string) => Promise<void>
  outcome: Outcome
}

/** Model sizes: one is loaded immediately, and one never is. */
export const [smallBytes, endlessBytes] = [2 ** 20, 2 ** 50]
export const service = 'held'

const warm: Outcome = { kind: 'released', reason: 'Warm', type: 'Normal' }
const notHeld: Outcome = { kind: 'released', reason: 'NotHeld', type: 'Normal' }
const timedOut: Outcome = { kind: 'released', reason: 'TimedOut', type: 'Warning' }
const failed: Outcome = { kind: 'released', reason: 'WarmupFailed', type: 'Warning' }
const atScheduling = { at: 'Scheduling' }

/** One end for each value of the policy's setting. */
function each(setting: 'onTimeout' | 'onFailure', serves: Outcome, end: Omit<HoldEnd, 'outcome'>): HoldEnd[] {
  const keeps: Outcome = { kind: 'kept', reason: setting === 'onTimeout' ? 'TimedOut' : 'WarmupFailed' }
  const outcomes: { [word: string]: Outcome } = { Serve: serves, Revert: { kind: 'reverted' }, Keep: keeps }
  return Object.entries(outcomes).map(([word, outcome]) => ({
    ...end,
    name: `${end.name}-${word.toLowerCase()}`,
    hold: { ...end.hold, [setting]: word },
    outcome,
  }))
}

/** Ends that happen immediately. */
export const ends: HoldEnd[] = [
  { name: 'warm', what: 'the cache is warm', outcome: warm },
  { name: 'warm-gated', what: 'the cache is warm', hold: atScheduling, outcome: warm },
  ...each('onFailure', failed, { name: 'failed', what: 'the DataLoad failed permanently' }),
  { name: 'opted-out', what: 'the service opts out', act: optOut, outcome: notHeld },
  {
    name: 'no-policy',
    what: 'its policy is deleted, and no other matches',
    act: deletePolicy,
    outcome: notHeld,
  },
  { name: 'left', what: 'the label is removed from the namespace', act: removeLabel, outcome: notHeld },
  { name: 'removed', what: 'the service is deleted', act: deleteService, outcome: { kind: 'gone' } },
]

/** Ends after a grace period of up to a minute: the mirror may lag, and a deletion may be almost complete. */
export const soonEnds: HoldEnd[] = [
  {
    name: 'orphan',
    what: 'the service is deleted, and its pod is not (`--cascade=orphan`)',
    act: orphan,
    outcome: notHeld,
  },
  {
    name: 'warm-deleted',
    what: 'the Dataset is deleted, which Fluid delays while pods mount it',
    act: deleteDataset,
    outcome: warm,
  },
]

/** Ends at `warmup.timeout`. */
export const lateEnds: HoldEnd[] = [
  ...each('onTimeout', timedOut, { name: 'slow', what: '`warmup.timeout` since a pod waits' }),
  {
    name: 'slow-gated',
    what: '`warmup.timeout` since a pod waits',
    hold: atScheduling,
    outcome: timedOut,
  },
  // No cache exists to serve from.
  ...each(
    'onTimeout',
    { kind: 'reverted' },
    { name: 'unbound', what: '`warmup.boundTimeout`, and the Dataset was never Bound' },
  ),
]

/** Events that do not end a hold: it continues from the state in the API server. */
export const handovers = [
  { name: 'warm-restarted', what: 'the controller restarts' },
  { name: 'warm-handed-over', what: 'another replica leads' },
]

/** The model size by namespace: small for caches that become warm or fail half-way, endless for others. */
export function modelBytes(mountPoint: string): number {
  return /\/(warm|failed)/.test(mountPoint) ? smallBytes : endlessBytes
}

export function binds({ metadata }: KubeObject): boolean {
  return !metadata.namespace?.startsWith('unbound')
}

export function failLoad({ metadata }: KubeObject): string | undefined {
  return metadata.namespace?.startsWith('failed') ? 'no such bucket' : undefined
}

async function cacheOf({ client }: BareCluster, namespace: string): Promise<string> {
  const found = await client.get(resources.inferenceService, { namespace, name: service })
  const [cache = ''] = found === undefined ? [] : cacheNames(found)
  return cache
}

async function deleteDataset(bare: BareCluster, namespace: string): Promise<void> {
  await bare.client.delete(resources.dataset, { namespace, name: await cacheOf(bare, namespace) })
}

async function optOut({ client }: BareCluster, namespace: string): Promise<void> {
  const body = { metadata: { annotations: { 'warmgate.dev/acceleration': 'disabled' } } }
  await client.patch(resources.inferenceService, { namespace, name: service }, { type: 'merge', body })
}

async function deletePolicy({ client }: BareCluster, namespace: string): Promise<void> {
  await client.delete(resources.accelerationPolicy, { name: namespace })
}

async function removeLabel({ client }: BareCluster, namespace: string): Promise<void> {
  const body = { metadata: { labels: { 'warmgate.dev/acceleration': null } } }
  await client.patch(resources.namespace, { name: namespace }, { type: 'merge', body })
}

async function deleteService({ client }: BareCluster, namespace: string): Promise<void> {
  await client.delete(resources.inferenceService, { namespace, name: service })
}

/** Like `kubectl delete --cascade=orphan`. */
async function orphan({ cluster }: BareCluster, namespace: string): Promise<void> {
  const { group, version, plural } = resources.inferenceService
  const api = cluster.kubeConfig.makeApiClient(CustomObjectsApi)
  const where = { group, version, plural, namespace, name: service }
  await api.deleteNamespacedCustomObject({ ...where, propagationPolicy: 'Orphan' })
}

/** The `outcome` label of the metric. */
export function outcomeOf(outcome: Outcome): string | undefined {
  if (outcome.kind === 'released') return outcome.reason
  return outcome.kind === 'reverted' ? 'Reverted' : undefined
}

/** The page with the table of these ends. */
export function withEnds(page: string): string {
  const [begin, end] = ['<!-- ends -->\n\n', '\n<!-- end of ends -->']
  const rows = [...ends, ...soonEnds, ...lateEnds].map((each) => [
    each.what,
    settingOf(each),
    ...wordsFor(each),
  ])
  const on = handovers.map(({ what }) => [
    what,
    '',
    'continues to wait, from the state in the API server',
    'none',
  ])
  const table = [
    ['what happens', '`hold`', 'the pod', 'Event, and `outcome` of the metric'],
    ['---', '---', '---', '---'],
    ...rows,
    ...on,
  ].map((row) => `| ${row.join(' | ')} |`)
  const before = page.slice(0, page.indexOf(begin) + begin.length)
  return `${before}${table.join('\n')}\n${page.slice(page.indexOf(end))}`
}

function settingOf({ hold = {} }: HoldEnd): string {
  return Object.entries(hold)
    .map(([field, value]) => `\`${field}: ${value}\``)
    .join(', ')
}

function wordsFor({ outcome }: HoldEnd): [string, string] {
  switch (outcome.kind) {
    case 'released': {
      const words = { Warm: 'serves', NotHeld: 'is released' }
      return [
        words[outcome.reason as keyof typeof words] ?? 'serves from a cold cache',
        `\`${outcome.reason}\``,
      ]
    }
    case 'reverted':
      return [
        'is replaced: its service is reverted to the storage initializer',
        '`Reverted`, also on the service',
      ]
    case 'kept':
      return ['continues to wait', `none; its condition says \`${outcome.reason}\``]
    case 'gone':
      return ['is deleted with it', 'none']
  }
}
