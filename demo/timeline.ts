/** One step of a start, and when it began and ended. */
export interface Step {
  name: string
  mark: string
  fromSeconds: number
  toSeconds: number
}

export interface Timeline {
  title: string
  /** From the creation of the service to its first ready pod. */
  first: Step[]
  /** From the creation of two more pods until they are ready: counted from 0 again. */
  more: Step
}

const width = 60

/** Draws timelines below each other on one scale, so that they can be compared. */
export function drawTimelines(timelines: Timeline[]): string {
  const rows = timelines.map(({ title, first, more }) => ({ title, steps: [...first, more] }))
  const scale = width / longestSeconds(timelines)
  const label = Math.max(...rows.flatMap(({ steps }) => steps.map(({ name }) => name.length)))
  const lines = rows.flatMap(({ title, steps }) => [
    title,
    ...steps.map((step) => `  ${step.name.padEnd(label)} │${bar(step, scale)}│ ${seconds(step)}`),
    '',
  ])
  return lines.join('\n').trimEnd()
}

/** When the last step of all ends, and at least 1 s. */
export function longestSeconds(timelines: Timeline[]): number {
  return Math.max(
    ...timelines.flatMap(({ first, more }) => [...first, more].map(({ toSeconds }) => toSeconds)),
    1,
  )
}

function bar({ mark, fromSeconds, toSeconds }: Step, scale: number): string {
  const from = Math.min(Math.round(fromSeconds * scale), width - 1)
  const length = Math.max(Math.round((toSeconds - fromSeconds) * scale), 1)
  return `${' '.repeat(from)}${mark.repeat(Math.min(length, width - from))}`.padEnd(width)
}

function seconds({ fromSeconds, toSeconds }: Step): string {
  return `${(toSeconds - fromSeconds).toFixed(1).padStart(6)} s`
}
