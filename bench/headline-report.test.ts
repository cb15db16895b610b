import { expect, test } from 'vitest'
import { caption, type Measurement, summarize, timeline } from './headline-report.ts'

function measured(mode: string, round: number, readySeconds: number, linkMib: number, pods = 1): Measurement {
  const times = { created: 0.2, scheduled: 1, initialized: readySeconds / 2, loaded: readySeconds - 1 }
  return { mode, pods, round, readySeconds, linkMib, times, load: 1 }
}

const both = [
  measured('plain', 1, 50, 3_200),
  measured('warm', 1, 12, 2),
  measured('plain', 2, 40, 3_210),
  measured('warm', 2, 10, 1),
  measured('plain', 3, 60, 3_205),
]

test('the table has the middle and the range of each mode, and compares it with the first of as many pods', () => {
  expect(summarize(both).split('\n').slice(2)).toEqual([
    '| plain | 1 | 50.0 s | 40.0–60.0 s |  | 3205 MiB | 3 |',
    '| warm | 1 | 11.0 s | 10.0–12.0 s | 78 % shorter | 2 MiB | 2 |',
    '',
  ])
  const three = [measured('plain, three', 1, 100, 1, 3), measured('warm, three', 1, 10, 1, 3)]
  const table = summarize([measured('plain', 1, 10, 1), measured('cold', 1, 25, 1), ...three])
  expect(table).toContain('| 2.5 times as long |')
  expect(table).toContain('| 90 % shorter |')
})

test('the caption names the model, the machine and the command', () => {
  const machine = { cpus: '2 × Xeon', memoryGib: 24, node: 'v24.1.0', commit: 'abc1234' }
  expect(caption(machine, { gib: 3.139, shards: 1, linkMib: 100, rounds: 4 })).toBe(
    'A model of 3.14 GiB in 1 file, a link of 100 MiB/s; 2 × Xeon, 24 GiB of memory, Node v24.1.0; commit abc1234, `make headline ROUNDS=4 GIB=3.14`.',
  )
})

test('the timeline has a bar for each mode, as long as its middle time, of parts that follow each other', () => {
  const svg = timeline(both)
  const bars = [...svg.matchAll(/<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)" height="22"/g)].map(
    ([, x, y, width]) => ({ x: Number(x), y: Number(y), width: Number(width) }),
  )
  const ends = Map.groupBy(bars, ({ y }) => y)
  expect([...ends.keys()]).toHaveLength(2)
  const lengths = [...ends.values()].map((parts) => {
    for (const [index, { x }] of parts.entries()) {
      const before = parts[index - 1]
      if (before !== undefined) expect(x).toBeCloseTo(before.x + before.width, 1)
    }
    return parts.reduce((sum, { width }) => sum + width, 0)
  })
  expect((lengths[1] ?? 0) / (lengths[0] ?? 1)).toBeCloseTo(12 / 50, 2)
  expect(svg).toContain('>50.0 s<')
  expect(svg).toContain('>12.0 s<')
})

test('what a pod waits for is parted by when its cache is Bound', () => {
  const times = { created: 0.5, bound: 20, scheduled: 30, initialized: 31, loaded: 40 }
  const svg = timeline([{ ...measured('cold', 1, 40, 1), times }])
  const spans = [...svg.matchAll(/width="([\d.]+)" height="22"/g)].map(([, width]) => Number(width))
  expect((spans[0] ?? 0) / (spans[1] ?? 1)).toBeCloseTo(2, 1)
  expect(spans).toHaveLength(4)
})

test('a step that was not seen takes no time', () => {
  const svg = timeline([{ ...measured('plain', 1, 5, 1), times: {} }])
  expect([...svg.matchAll(/height="22"/g)]).toHaveLength(1)
})
