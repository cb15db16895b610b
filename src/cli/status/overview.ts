import type { CacheStatus, HeldPod, StatusObjects } from '../../cluster/status.ts'
import { statusOf } from '../../cluster/status.ts'
import { serviceOfPod } from '../../kserve/pod.ts'
import type { CachePhase } from '../../plan/cache/cache-phase.ts'
import { describeProgress } from '../../plan/cache/progress.ts'
import type { KubeObject } from '../../values/object.ts'

/** One service, or what is left of it: how far its caches are, who waits, and what comes next. */
export interface ServiceStatus {
  namespace: string
  name: string
  kind: string
  /** That of the cache that is the furthest from warm. */
  phase: CachePhase['kind']
  caches: CacheStatus[]
  held: HeldPod[]
  /** What happens next, or what keeps it from happening. */
  next: string
}

export interface Overview {
  services: ServiceStatus[]
  /** Caches of no service, or of one that was not selected. */
  others: CacheStatus[]
  plain: number
}

/** Changes the phase of a cache, e.g. by the time that it will take. */
export type Estimate = (cache: CacheStatus) => CacheStatus

export function overviewOf(
  objects: StatusObjects,
  nowMs: number,
  estimate: Estimate = (cache) => cache,
): Overview {
  const caches = statusOf(objects, nowMs).map(estimate)
  const owners = new Map(objects.pods.map((pod) => [podKey(pod), ownerOf(pod)]))
  const services = objects.services.flatMap((service): ServiceStatus[] => {
    const { namespace = '', name = '' } = service.metadata
    const id = `${service.kind}/${name}`
    const own = caches.filter((cache) => cache.namespace === namespace && cache.services.includes(id))
    const waiting = caches.filter((cache) => cache.namespace === namespace).flatMap((cache) => cache.held)
    const held = new Map(
      waiting.flatMap((pod) => (owners.get(`${namespace}/${pod.name}`) === id ? [[pod.name, pod]] : [])),
    )
    if (own.length === 0 && held.size === 0) return []
    const status = { namespace, name, kind: service.kind, caches: own, held: [...held.values()] }
    return [{ ...status, ...outlook(status) }]
  })
  const used = new Set(services.flatMap((service) => service.caches))
  return {
    services: services.toSorted((a, b) => order(a).localeCompare(order(b))),
    others: caches.filter((cache) => !used.has(cache)),
    plain: objects.services.length - services.length,
  }
}

const order = ({ namespace, name, kind }: ServiceStatus) => `${namespace}/${name}/${kind}`

function podKey({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`
}

function ownerOf(pod: KubeObject): string | undefined {
  const owner = serviceOfPod(pod)
  return owner && `${owner.kind}/${owner.name}`
}

const phases = ['failed', 'pending', 'warming', 'warm'] as const

function outlook({
  caches,
  held,
}: Pick<ServiceStatus, 'caches' | 'held'>): Pick<ServiceStatus, 'phase' | 'next'> {
  const kind = phases.find((phase) => caches.some((cache) => cache.phase.kind === phase))
  const cache = caches.find((each) => each.phase.kind === kind)
  if (cache === undefined) return { phase: 'pending', next: held[0]?.why ?? '' }
  return { phase: cache.phase.kind, next: nextOf(cache, held.length) }
}

function nextOf({ phase, shortfall, remarks }: CacheStatus, held: number): string {
  const release = held === 0 ? '' : `, then ${held === 1 ? 'its pod is' : `${held} pods are`} released`
  switch (phase.kind) {
    case 'warm':
      return held > 0 ? `releasing ${held} pod${held === 1 ? '' : 's'}` : shortfall || (remarks[0] ?? '')
    case 'warming':
      return `${progressOf(phase)}${release}`
    case 'pending':
    case 'failed':
      return phase.message
  }
}

function progressOf({ progress, leftMs }: Extract<CachePhase, { kind: 'warming' }>): string {
  return progress === undefined ? 'Fluid does not say yet how far it is' : describeProgress(progress, leftMs)
}
