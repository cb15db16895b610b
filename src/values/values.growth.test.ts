import { describe, test } from 'vitest'
import { conditionOf } from './condition.ts'
import { parseDurationMs } from './duration.ts'
import { expectLinear } from './growth.fixture.ts'
import { hostileTexts } from './hostile.fixture.ts'
import { stringMapAt } from './object.ts'
import { parseSizeBytes } from './size.ts'

describe.each<[string, (text: string) => unknown]>([
  ['parseDurationMs', parseDurationMs],
  ['parseDurationMs, of what it reads', (text) => parseDurationMs(`1h${text.replaceAll(/[^0-9hms]/g, '')}`)],
  ['parseSizeBytes', parseSizeBytes],
  ['parseSizeBytes, of digits', (text) => parseSizeBytes(`${'1'.repeat(text.length)}${text}`)],
])('%s takes linear time', (_, run) => {
  test.each(hostileTexts)('of %s', (__, make) => expectLinear(make, run, { n: 10_000 }))
})

const condition = (type: string) => ({ type, status: 'True' })

test('lists and objects are searched in linear time', () => {
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: {} }
  expectLinear(
    (n) => ({ ...object, status: { conditions: Array.from({ length: n }, () => condition('A')) } }),
    (pod) => conditionOf(pod, 'B'),
  )
  expectLinear(
    (n) => Object.fromEntries(Array.from({ length: n }, (_, index) => [`a${index}`, 'text'])),
    (texts) => stringMapAt(texts),
  )
})
