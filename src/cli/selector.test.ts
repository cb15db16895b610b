import { expect, test } from 'vitest'
import { matchesSelector } from '../policy/selector.ts'
import { parseSelector } from './selector.ts'

const labels = { app: 'llama', tier: 'gpu', empty: '' }

test.each([
  ['app=llama', true],
  ['app==llama', true],
  ['app = llama', true],
  ['app=bloom', false],
  ['app!=bloom', true],
  ['app!=llama', false],
  ['other!=x', true],
  ['app', true],
  ['other', false],
  ['!other', true],
  ['!app', false],
  ['empty=', true],
  ['app in (bloom, llama)', true],
  ['app in (bloom)', false],
  ['app notin (bloom,qwen),tier=gpu', true],
  ['app in (llama,bloom),tier=cpu', false],
  ['serving.kserve.io/inferenceservice notin (a)', true],
])('%s: %s', (text, expected) => {
  const selector = parseSelector(text)
  expect(selector && matchesSelector(selector, labels)).toBe(expected)
})

test.each(['', ',', 'a=b=c', 'a>1', 'app in llama', 'a,', '-x', 'a in (b', '!a=b'])(
  '%j is no selector',
  (text) => {
    expect(parseSelector(text)).toBeUndefined()
  },
)
