import { parseKserveConfig } from '../kserve/config.ts'
import type { KubeClient } from '../kube/client.ts'
import type { Clock } from '../values/clock.ts'
import { RecentCredentials } from './credentials.ts'
import type { Mirror } from './mirror.ts'
import { Planner } from './planner.ts'
import type { FactsSources } from './sources.ts'

const stillClock = { now: () => 0 }

interface FakeCluster {
  mirror: Mirror
  client: KubeClient
  clock?: Pick<Clock, 'now'>
}

/** A planner for tests; without a clock no time passes. */
export function fakePlanner({ mirror, client, clock = stillClock }: FakeCluster): Planner {
  return new Planner({ mirror, client, clock })
}

/** Sources of facts without earlier reads. */
export function factsSources({ mirror, client }: FakeCluster): FactsSources {
  const recent = new RecentCredentials(stillClock)
  return { mirror, client, kserveNamespace: undefined, recent, kserveConfig: parseKserveConfig }
}

/** How admission reads for a new service. */
export function liveIn(namespace: string, signal?: AbortSignal) {
  return { namespace, freshness: { kind: 'Live' as const }, signal }
}
