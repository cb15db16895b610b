import { expect, test } from 'vitest'
import type { LabelSelector } from './schema.ts'
import { matchesSelector } from './selector.ts'

const labels = { team: 'a', tier: 'gold' }

const expression = (
  key: string,
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist',
  values?: string[],
) => ({
  matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }],
})

test.each<[LabelSelector, boolean]>([
  [{}, true],
  [{ matchLabels: {} }, true],
  [{ matchLabels: { team: 'a' } }, true],
  [{ matchLabels: { team: 'a', tier: 'silver' } }, false],
  [{ matchLabels: { region: 'x' } }, false],
  [expression('team', 'Exists'), true],
  [expression('region', 'Exists'), false],
  [expression('team', 'DoesNotExist'), false],
  [expression('region', 'DoesNotExist'), true],
  [expression('team', 'In', ['b', 'a']), true],
  [expression('team', 'In', ['b']), false],
  [expression('team', 'In'), false],
  [expression('region', 'In', ['a']), false],
  [expression('team', 'NotIn', ['a']), false],
  [expression('team', 'NotIn', ['b']), true],
  // As in Kubernetes, a missing label matches NotIn.
  [expression('region', 'NotIn', ['a']), true],
  [{ matchLabels: { team: 'a' }, ...expression('tier', 'In', ['silver']) }, false],
  // A name that every object inherits.
  [expression('constructor', 'Exists'), false],
  [expression('constructor', 'DoesNotExist'), true],
])('%j on team=a, tier=gold: %s', (selector, matches) => {
  expect(matchesSelector(selector, labels)).toBe(matches)
})
