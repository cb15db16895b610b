import type { CachePhase } from '../plan/cache/cache-phase.ts'
import { describeProgress } from '../plan/cache/progress.ts'

export function describePhase(phase: CachePhase): string {
  switch (phase.kind) {
    case 'warm':
      return 'warm'
    case 'failed':
      return `failed: ${phase.message}`
    case 'pending':
      return phase.message
    case 'warming':
      return phase.progress === undefined
        ? 'loading'
        : `loading, ${describeProgress(phase.progress, undefined)}`
  }
}
