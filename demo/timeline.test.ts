import { expect, test } from 'vitest'
import { drawTimelines } from './timeline.ts'

test('timelines are drawn on one scale, and the shortest step can be seen', () => {
  const step = (name: string, mark: string, fromSeconds: number, toSeconds: number) => ({
    ...{ name, mark, fromSeconds, toSeconds },
  })
  const lines = drawTimelines([
    { title: 'with', first: [step('warm-up', '▒', 3, 30)], more: step('more', '█', 0, 0.1) },
    { title: 'without', first: [step('download', '▒', 0, 60)], more: step('more', '█', 0, 60) },
  ]).split('\n')
  expect(lines).toEqual([
    'with',
    `  warm-up  │${' '.repeat(3)}${'▒'.repeat(27)}${' '.repeat(30)}│   27.0 s`,
    `  more     │█${' '.repeat(59)}│    0.1 s`,
    '',
    'without',
    `  download │${'▒'.repeat(60)}│   60.0 s`,
    `  more     │${'█'.repeat(60)}│   60.0 s`,
  ])
})
