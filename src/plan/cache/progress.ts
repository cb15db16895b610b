import { formatSize } from '../../values/size.ts'

/** How far a warm-up is, in bytes of all the copies that it makes. */
export interface Progress {
  cachedBytes: number
  totalBytes: number
  /** How many copies of the model these are. */
  copies: number
}

/** What a cache held at some time. */
export interface Sample {
  atMs: number
  cachedBytes: number
}

// Fluid writes progress each 15 s; a speed is told from the last few of those.
const windowMs = 120_000
// After this long without news the last speed says nothing any more.
const stalledMs = 60_000

/** The samples that speeds are told from, with one more; begun anew where a cache holds less than before. */
export function withSample(samples: readonly Sample[], sample: Sample): Sample[] {
  const last = samples.at(-1)
  if (last !== undefined && last.cachedBytes > sample.cachedBytes) return [sample]
  if (last?.cachedBytes === sample.cachedBytes) return [...samples]
  return [...samples.filter(({ atMs }) => sample.atMs - atMs <= windowMs), sample]
}

/** Undefined before there are two samples, and when nothing has moved for a minute. */
export function bytesPerSecond(samples: readonly Sample[], nowMs: number): number | undefined {
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return undefined
  if (nowMs - last.atMs > stalledMs) return undefined
  return ((last.cachedBytes - first.cachedBytes) / (last.atMs - first.atMs)) * 1_000
}

/** How long a warm-up will go on, in milliseconds, at its speed of late; undefined where that is not known. */
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

/** For people: `62 % of 141 GiB, about 3 min left`. */
export function describeProgress(progress: Progress, left: number | undefined): string {
  const size = formatSize(progress.totalBytes / progress.copies)
  const percent = percentOf(progress)
  // All of it is there, and the warm-up is not over: a percentage would read as if it were.
  if (percent >= 100) return `all of ${size}, finishing`
  return `${percent} % of ${size}${left === undefined ? '' : `, ${describeLeft(left)} left`}`
}

function describeLeft(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 1) return 'less than a minute'
  return minutes < 90 ? `about ${minutes} min` : `about ${Math.round(minutes / 60)} h`
}
