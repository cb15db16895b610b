import { formatSize } from '../../values/size.ts'

/** The progress of a warm-up, in bytes of all copies. */
export interface Progress {
  cachedBytes: number
  totalBytes: number
  /** The number of copies of the model. */
  copies: number
}

/** The bytes in a cache at one time. */
export interface Sample {
  atMs: number
  cachedBytes: number
}

// Fluid updates progress every 15 s. The speed is computed from the samples of this time.
const windowMs = 120_000
// Without progress for this long, the speed is unknown.
const stalledMs = 60_000

/** Adds a sample and drops old ones. Starts again if the cache holds less than before. */
export function withSample(samples: readonly Sample[], sample: Sample): Sample[] {
  const last = samples.at(-1)
  if (last !== undefined && last.cachedBytes > sample.cachedBytes) return [sample]
  if (last?.cachedBytes === sample.cachedBytes) return [...samples]
  return [...samples.filter(({ atMs }) => sample.atMs - atMs <= windowMs), sample]
}

/** The speed of a warm-up; undefined with fewer than two samples, or after a minute without progress. */
export function bytesPerSecond(samples: readonly Sample[], nowMs: number): number | undefined {
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return undefined
  if (nowMs - last.atMs > stalledMs) return undefined
  return ((last.cachedBytes - first.cachedBytes) / (last.atMs - first.atMs)) * 1_000
}

/** The remaining time of a warm-up in milliseconds, at its recent speed; undefined if that is unknown. */
export function leftMs(progress: Progress, samples: readonly Sample[], nowMs: number): number | undefined {
  const speed = bytesPerSecond(samples, nowMs)
  const last = samples.at(-1)
  if (!speed || last === undefined) return undefined
  const leftBytes = Math.max(progress.totalBytes - last.cachedBytes, 0)
  return Math.max((leftBytes / speed) * 1_000 - (nowMs - last.atMs), 0)
}

/** From 0 to 100. */
export function percentOf({ cachedBytes, totalBytes }: Progress): number {
  return Math.floor((100 * cachedBytes) / totalBytes)
}

/** Text for users: `62 % of 141 GiB, about 3 min left`. */
export function describeProgress(progress: Progress, left: number | undefined): string {
  const size = formatSize(progress.totalBytes / progress.copies)
  const percent = percentOf(progress)
  // All data is cached, but the warm-up is not complete yet: 100 % would suggest that it is.
  if (percent >= 100) return `all of ${size}, finishing`
  return `${percent} % of ${size}${left === undefined ? '' : `, ${describeLeft(left)} left`}`
}

function describeLeft(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 1) return 'less than a minute'
  return minutes < 90 ? `about ${minutes} min` : `about ${Math.round(minutes / 60)} h`
}
