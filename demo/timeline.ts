/** One step of a start, and when it began and ended. */
export interface Step {
  name: string
  mark: string
  fromSeconds: number
  toSeconds: number
}

export interface Timeline {
  title: string
  steps: Step[]
}

const width = 60

/** Draws timelines below each other on one scale, so that they can be compared. */
export function drawTimelines(timelines: Timeline[]): string {
  const longest = Math.max(...timelines.flatMap(({ steps }) => steps.map(({ toSeconds }) => toSeconds)), 1)
  const scale = width / longest
  const label = Math.max(...timelines.flatMap(({ steps }) => steps.map(({ name }) => name.length)))
  const lines = timelines.flatMap(({ title, steps }) => [
    title,
    ...steps.map((step) => `  ${step.name.padEnd(label)} │${bar(step, scale)}│ ${seconds(step)}`),
    '',
  ])
  return lines.join('\n').trimEnd()
}

function bar({ mark, fromSeconds, toSeconds }: Step, scale: number): string {
  const from = Math.min(Math.round(fromSeconds * scale), width - 1)
  const length = Math.max(Math.round((toSeconds - fromSeconds) * scale), 1)
  return `${' '.repeat(from)}${mark.repeat(Math.min(length, width - from))}`.padEnd(width)
}

function seconds({ fromSeconds, toSeconds }: Step): string {
  return `${(toSeconds - fromSeconds).toFixed(1).padStart(6)} s`
}
