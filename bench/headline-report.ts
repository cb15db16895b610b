/** A pod, or several at once, from the request that makes them until the last one is Ready. */
export interface Measurement {
  mode: string
  /** How many pods. */
  pods: number
  round: number
  readySeconds: number
  /** What the store's link carried meanwhile, with what packets add. */
  linkMib: number
  /** When each step was first seen of all pods, in seconds. */
  times: { [step: string]: number }
  /** The machine's load average at the end. */
  load: number
}

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const [below = 0, above = below] = sorted.slice(Math.ceil(sorted.length / 2) - 1)
  return sorted.length % 2 === 0 ? (below + above) / 2 : below
}

function byMode(measured: readonly Measurement[]): Map<string, Measurement[]> {
  return Map.groupBy(measured, ({ mode }) => mode)
}

/**
 * A table in Markdown: of each mode the middle one, the range, and what it is against the first mode with as many pods.
 */
export function summarize(measured: readonly Measurement[]): string {
  const rows = [...byMode(measured)].map(([mode, each]) => {
    const pods = each[0]?.pods ?? 1
    const first = measured.find((other) => other.pods === pods)?.mode
    const seconds = secondsOf(measured, mode)
    const [middle, least, most] = [median(seconds), Math.min(...seconds), Math.max(...seconds)]
    const against = mode === first ? '' : comparison(middle / median(secondsOf(measured, first)))
    const link = Math.round(median(each.map(({ linkMib }) => linkMib)))
    return `| ${mode} | ${pods} | ${middle.toFixed(1)} s | ${least.toFixed(1)}–${most.toFixed(1)} s | ${against} | ${link} MiB | ${each.length} |`
  })
  const head =
    '| what | pods | all Ready after (median) | range | against plain KServe | over the link | rounds |\n'
  return `${head}| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n${rows.join('\n')}\n`
}

function secondsOf(measured: readonly Measurement[], mode: string | undefined): number[] {
  return measured.filter((each) => each.mode === mode).map(({ readySeconds }) => readySeconds)
}

function comparison(ratio: number): string {
  return ratio > 1 ? `${ratio.toFixed(1)} times as long` : `${Math.round((1 - ratio) * 100)} % shorter`
}

export interface Machine {
  /** How many, and which: `2 × Intel(R) Xeon(R) Processor`. */
  cpus: string
  memoryGib: number
  node: string
  commit: string
}

export interface Setting {
  gib: number
  shards: number
  /** Mebibytes a second. */
  linkMib: number
  rounds: number
}

/** What the table was measured with, in a sentence. */
export function caption(machine: Machine, { gib, shards, linkMib, rounds }: Setting): string {
  const model = `${Number(gib.toFixed(2))} GiB in ${shards} ${shards === 1 ? 'file' : 'files'}`
  const command = `make headline ROUNDS=${rounds} GIB=${Number(gib.toFixed(2))}`
  const { cpus, memoryGib, node, commit } = machine
  return `A model of ${model}, a link of ${linkMib} MiB/s; ${cpus}, ${memoryGib} GiB of memory, Node ${node}; commit ${commit}, \`${command}\`.`
}

const barHeight = 22
const rowHeight = 34
const left = 270
const width = 900

const colors: { [step: string]: string } = {
  waiting: '#c9c9c9',
  loading: '#b5d6a7',
  starting: '#8fb8de',
  reading: '#e0a458',
  held: '#d9d2e9',
}

interface Part {
  what: keyof typeof colors
  from: number
  to: number
}

/** What a pod did, from what was seen of it. */
function partsOf({ times, readySeconds }: Measurement): Part[] {
  const { created = 0, scheduled = created, initialized = scheduled, loaded = readySeconds } = times
  const bound = Math.min(times.bound ?? scheduled, scheduled)
  const parts: Part[] = [
    { what: 'waiting', from: 0, to: bound },
    { what: 'loading', from: bound, to: scheduled },
    { what: 'starting', from: scheduled, to: initialized },
    { what: 'reading', from: initialized, to: loaded },
    { what: 'held', from: loaded, to: readySeconds },
  ]
  return parts.filter(({ from, to }) => to > from)
}

/** One bar for each mode: its round that is nearest to the middle time. */
export function timeline(measured: readonly Measurement[]): string {
  const rows = [...byMode(measured)].flatMap(([mode, each]) => {
    const middle = median(each.map(({ readySeconds }) => readySeconds))
    const distance = ({ readySeconds }: Measurement) => Math.abs(readySeconds - middle)
    const [shown] = each.toSorted((a, b) => distance(a) - distance(b))
    return shown === undefined ? [] : [{ mode, shown }]
  })
  const longest = Math.max(...rows.map(({ shown }) => shown.readySeconds))
  const x = (seconds: number) => (left + (seconds / longest) * (width - left - 70)).toFixed(1)
  const bars = rows.flatMap(({ mode, shown }, index) => {
    const y = 10 + index * rowHeight
    const text = (at: string, anchor: string, words: string) =>
      `<text x="${at}" y="${y + 15}" text-anchor="${anchor}">${words}</text>`
    const rects = partsOf(shown).map(({ what, from, to }) => {
      const span = (Number(x(to)) - Number(x(from))).toFixed(1)
      return `<rect x="${x(from)}" y="${y}" width="${span}" height="${barHeight}" fill="${colors[what]}"/>`
    })
    const end = (Number(x(shown.readySeconds)) + 6).toFixed(1)
    return [
      text(String(left - 8), 'end', mode),
      ...rects,
      text(end, 'start', `${shown.readySeconds.toFixed(1)} s`),
    ]
  })
  const legendY = 20 + rows.length * rowHeight
  const legend = Object.entries(legends).map(([what, words], index) => {
    const at = 20 + index * 176
    return `<rect x="${at}" y="${legendY}" width="14" height="14" fill="${colors[what]}"/><text x="${at + 20}" y="${legendY + 12}">${words}</text>`
  })
  const size = `width="${width}" height="${legendY + 30}"`
  const style = 'font-family="sans-serif" font-size="12"'
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>\n<title>From a pod's creation to Ready</title>\n<rect width="100%" height="100%" fill="white"/>\n${[...bars, ...legend].join('\n')}\n</svg>\n`
}

const legends = {
  waiting: 'the cache starts',
  loading: 'it loads the model',
  starting: 'storage initializer, volumes',
  reading: 'the server reads the model',
  held: 'held until the cache is warm',
}
