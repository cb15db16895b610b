import { longestSeconds, type Step, type Timeline } from './timeline.ts'

/*
 * The two timelines as one SVG: a bar for each, first to the first ready pod and then to two more, on one scale. The
 * picture has its own background in both colour schemes, so that it is legible on every page.
 */

const width = 620
const left = 138
const barWidth = 405
const rowHeight = 44
const groupHeight = 34
const footHeight = 62

const style = `text{font:14px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#1f2328;stroke:#fff;stroke-width:4px;paint-order:stroke}
.bold{font-weight:600}.small{font-size:12px;fill:#59636e}
.card{fill:#fff;stroke:#d1d9e0}.grid{stroke:#d1d9e0}
.with{fill:#0f766e}.without{fill:#818b98}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc;stroke:#0d1117}.small{fill:#9198a1}
.card{fill:#0d1117;stroke:#3d444d}.grid{stroke:#3d444d}.with{fill:#2dd4bf}.without{fill:#656c76}}`

interface Row {
  title: string
  /** The class of its bars. */
  kind: 'with' | 'without'
  steps: Step[]
}

/** @param accelerated with Warmgate @param plain the same service without it */
export function drawPicture(accelerated: Timeline, plain: Timeline): string {
  const scale = barWidth / longestSeconds([accelerated, plain])
  const row = ({ title }: Timeline, kind: Row['kind'], steps: Step[]): Row => ({ title, kind, steps })
  const groups = [
    {
      title: 'First pod: from the creation of its service to Ready',
      rows: [row(accelerated, 'with', accelerated.first), row(plain, 'without', plain.first)],
    },
    {
      title: 'Scale-out from 1 to 3: from the creation of the pods to Ready',
      rows: [row(accelerated, 'with', [accelerated.more]), row(plain, 'without', [plain.more])],
    },
  ]
  const groupSize = groupHeight + 2 * rowHeight
  const bottom = 12 + groups.length * groupSize
  const height = bottom + footHeight
  const content = groups.flatMap(({ title, rows }, index) => {
    const top = 12 + index * groupSize
    return [
      text(20, top + 20, title, 'bold'),
      ...rows.flatMap((each, at) => drawRow(each, top + groupHeight + at * rowHeight, scale)),
    ]
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escapeXml(describe(groups.flatMap(({ rows }) => rows)))}</title>
<style>${style}</style>
<rect class="card" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8"/>
${[...drawAxis(bottom, scale), ...content].join('\n')}
${text(20, height - 16, 'Nodes and storage are simulated: the order of events is real, the speeds are set by the demo.', 'small')}
</svg>
`
}

function drawRow({ title, kind, steps }: Row, top: number, scale: number): string[] {
  const shown = steps.filter((step) => durationOf(step) >= 0.05)
  const bars = (shown.length === 0 ? steps : shown).map(
    ({ fromSeconds, toSeconds }, index, { length: count }) => {
      const opacity = (index + 1) / count
      const length = Math.max((toSeconds - fromSeconds) * scale, 1.5)
      return `<rect class="${kind}" x="${round(left + fromSeconds * scale)}" y="${top}" width="${round(length)}" height="18" opacity="${round(opacity)}"/>`
    },
  )
  const end = Math.max(...steps.map(({ toSeconds }) => toSeconds))
  const caption = shown.map((step) => `${step.name} ${formatSeconds(durationOf(step))}`).join(' · ')
  return [
    text(20, top + 14, title),
    ...bars,
    text(round(left + end * scale) + 8, top + 14, formatSeconds(end), 'bold'),
    ...(shown.length > 1 ? [text(left, top + 33, caption, 'small')] : []),
  ]
}

/** A line every 10 s. */
function drawAxis(bottom: number, scale: number): string[] {
  const ticks = Array.from({ length: Math.floor(barWidth / scale / 10) + 1 }, (_, index) => index * 10)
  return ticks.flatMap((seconds) => {
    const x = round(left + seconds * scale)
    return [
      `<line class="grid" x1="${x}" y1="42" x2="${x}" y2="${bottom}"/>`,
      `<text class="small" x="${x}" y="${bottom + 15}" text-anchor="middle">${seconds} s</text>`,
    ]
  })
}

/** For those who do not see it. */
function describe(rows: Row[]): string {
  const [with1, without1, with3, without3] = rows.map(({ steps }) =>
    formatSeconds(Math.max(...steps.map(({ toSeconds }) => toSeconds))),
  )
  return `First pod ready: ${with1} with Warmgate, ${without1} without. Two more pods ready: ${with3} with, ${without3} without.`
}

function text(x: number, y: number, content: string, kind?: 'bold' | 'small'): string {
  return `<text${kind === undefined ? '' : ` class="${kind}"`} x="${x}" y="${y}">${escapeXml(content)}</text>`
}

function durationOf({ fromSeconds, toSeconds }: Step): number {
  return toSeconds - fromSeconds
}

function formatSeconds(seconds: number): string {
  return `${seconds.toFixed(1)} s`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
