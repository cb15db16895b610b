import { isDownloadable } from '../kserve/custom-download.ts'
import { downloadsOf, serviceOfPod } from '../kserve/pod.ts'
import { isMirrorable, parseModelUri } from '../kserve/uri.ts'
import type { KubeObject } from '../values/object.ts'

/** How many services download what a Runtime mounts, what a filled mirror would serve, or neither; by reason. */
export interface SourcesReport {
  mounted: number
  filled: { [reason: string]: number }
  neither: { [reason: string]: number }
}

/**
 * Reads off the URIs that pods download how many services could be accelerated. Credentials are not known here, so
 * that a service may need a mirror for another reason than its URI.
 */
export function reportSources(pods: KubeObject[]): SourcesReport {
  const services = Map.groupBy(pods, (pod) => {
    const { kind, name } = serviceOfPod(pod) ?? { kind: '', name: '' }
    return `${kind}/${pod.metadata.namespace}/${name}`
  })
  const report: SourcesReport = { mounted: 0, filled: {}, neither: {} }
  for (const group of services.values()) {
    const uris = [...new Set(group.flatMap(downloadsOf).filter((text) => text.includes('://')))]
    if (uris.length === 0) continue
    const states = uris.map(stateOf)
    const others = states.filter((state) => state.by !== 'mounted')
    const worst = others.find(({ by }) => by === 'neither') ?? others[0]
    if (worst === undefined) report.mounted += 1
    else report[worst.by][worst.reason] = (report[worst.by][worst.reason] ?? 0) + 1
  }
  return report
}

type State = { by: 'mounted' } | { by: 'filled' | 'neither'; reason: string }

function stateOf(uri: string): State {
  const parsed = parseModelUri(uri)
  if (parsed.kind === 'directory') return { by: 'mounted' }
  const { reason } = parsed
  return { by: isMirrorable(reason) && isDownloadable(uri) ? 'filled' : 'neither', reason }
}

/** The same in a sentence; empty if nothing was downloaded. */
export function describeSources({ mounted, filled, neither }: SourcesReport): string {
  const sum = (counts: { [reason: string]: number }) =>
    Object.values(counts).reduce((all, each) => all + each, 0)
  const all = mounted + sum(filled) + sum(neither)
  if (all === 0) return ''
  const reasons = (counts: { [reason: string]: number }) =>
    Object.entries(counts)
      .toSorted(([, a], [, b]) => b - a)
      .map(([reason, count]) => `${reason} ${count}`)
      .join(', ')
  const more =
    sum(filled) === 0 ? '' : `; ${sum(filled)} more with a mirror that is filled (${reasons(filled)})`
  const rest = sum(neither) === 0 ? '' : `; ${sum(neither)} not (${reasons(neither)})`
  return `${mounted} of ${all} services that download name a directory that a Runtime mounts${more}${rest}.`
}
