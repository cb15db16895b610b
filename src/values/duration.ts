const unitsMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** A Go duration without sign, fractions or days: `90s`, `30m`, `1h30m`, `0s`. */
export const durationPattern = '^([0-9]+(ms|s|m|h))+$'
const duration = new RegExp(durationPattern)

/** Milliseconds of a Go duration (`1h30m`), or undefined if the text is not one. */
export function parseDurationMs(text: string): number | undefined {
  if (!duration.test(text)) return undefined
  let totalMs = 0
  for (const [, amount, unit] of text.matchAll(/([0-9]+)(ms|s|m|h)/g)) {
    totalMs += Number(amount) * (unitsMs[unit ?? ''] ?? 0)
  }
  return totalMs
}

/** For people, two units at most: `42s`, `3m 20s`, `1h 5m`. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds}s`
  const [large, small, names] =
    seconds < 3_600
      ? [Math.floor(seconds / 60), seconds % 60, ['m', 's']]
      : [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60), ['h', 'm']]
  return small === 0 ? `${large}${names[0]}` : `${large}${names[0]} ${small}${names[1]}`
}

/** A Go duration of whole milliseconds: `30m`, `1h30m`, `0s`. */
export function goDuration(ms: number): string {
  let rest = ms
  let text = ''
  for (const unit of ['h', 'm', 's', 'ms'] as const) {
    const unitMs = unitsMs[unit] ?? 1
    const amount = Math.floor(rest / unitMs)
    rest -= amount * unitMs
    if (amount > 0) text += `${amount}${unit}`
  }
  return text || '0s'
}
