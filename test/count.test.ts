import { expect, test } from 'vitest'
import { countTests, formatRows } from './count.ts'

const report = {
  testResults: [
    {
      name: '/repo/test/node/hold.test.ts',
      assertionResults: [{ status: 'skipped' }, { status: 'pending' }],
    },
    { name: '/repo/src/a.test.ts', assertionResults: [{ status: 'passed' }, { status: 'skipped' }] },
  ],
}

test('only what may be skipped is, and anything else that did not pass has failed', () => {
  const maySkip = (file: string) => file.includes('/test/node/')
  expect(countTests(report, { status: 0, maySkip })).toEqual({ passed: 1, failed: 1, skipped: 2 })
  expect(countTests(report, { status: 0, maySkip: () => false })).toEqual({
    passed: 1,
    failed: 3,
    skipped: 0,
  })
})

test('a test that fails is never skipped', () => {
  const testResults = [{ name: 'a', assertionResults: [{ status: 'failed' }] }]
  expect(countTests({ testResults }, { status: 1, maySkip: () => true }).failed).toBe(1)
})

test('a run that broke before its tests has failed', () => {
  expect(countTests({}, { status: 1, maySkip: () => true })).toEqual({ passed: 0, failed: 1, skipped: 0 })
})

test('each suite is a line of the table, with its counts and its time', () => {
  const row = { name: 'unit', passed: 2197, failed: 0, skipped: 6, seconds: 75 }
  expect(formatRows([row]).split('\n')).toEqual([
    '                        passed  failed skipped   min:s',
    'unit                      2197       0       6    1:15',
  ])
})
