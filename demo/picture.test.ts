import { expect, test } from 'vitest'
import { drawPicture } from './picture.ts'
import type { Step, Timeline } from './timeline.ts'

const step = (name: string, fromSeconds: number, toSeconds: number): Step => ({
  ...{ name, mark: '█', fromSeconds, toSeconds },
})

const accelerated: Timeline = {
  title: 'with Warmgate',
  first: [step('cache bound', 0, 2), step('warm-up <once> & no more', 2, 27), step('pod 1 ready', 27, 27.01)],
  more: step('1 → 3 pods', 0, 0.1),
}
const plain: Timeline = {
  title: 'without',
  first: [step('download', 0, 54)],
  more: step('1 → 3 pods', 0, 53),
}
const picture = drawPicture(accelerated, plain)

/** The bars of one kind: where each begins, and how long it is. */
function bars(kind: string): [x: number, width: number][] {
  const found = picture.matchAll(
    new RegExp(`<rect class="${kind}" x="([\\d.]+)" y="\\d+" width="([\\d.]+)"`, 'g'),
  )
  return [...found].map(([, x, width]) => [Number(x), Number(width)])
}

test('all bars are on one scale, and the longest fills it', () => {
  expect(bars('without')).toEqual([
    [138, 405],
    [138, 397.5],
  ])
  expect(bars('with')).toEqual([
    [138, 15],
    [153, 187.5],
    [138, 1.5],
  ])
})

test('each bar ends with its time, and the steps of one are named with theirs', () => {
  const texts = [...picture.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text)
  for (const time of ['27.0 s', '54.0 s', '0.1 s', '53.0 s']) expect(texts).toContain(time)
  expect(texts).toContain('cache bound 2.0 s · warm-up &lt;once&gt; &amp; no more 25.0 s')
  expect(texts.filter((text) => /^\d+ s$/.test(text ?? ''))).toEqual([
    '0 s',
    '10 s',
    '20 s',
    '30 s',
    '40 s',
    '50 s',
  ])
})

test('it says in words what it shows, and that the speeds are made up', () => {
  expect(picture).toContain(
    '<title>First pod ready: 27.0 s with Warmgate, 54.0 s without. Two more pods ready: 0.1 s with, 53.0 s without.</title>',
  )
  expect(picture).toContain('Nodes and storage are simulated')
})

test('it has a background and colours for light and for dark pages', () => {
  const [light = '', dark = ''] = picture.split('@media(prefers-color-scheme:dark)')
  for (const selector of ['text{', '.card{', '.with{', '.without{', '.small{', '.grid{'])
    expect([light, dark].map((style) => style.includes(selector))).toEqual([true, true])
  expect(picture).toMatch(/<rect class="card"/)
})
