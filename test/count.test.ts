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
  expect(countTests(report, { status: 0, maySkip })).toEqual({
    passed: 1,
    failures: ['/repo/src/a.test.ts: : skipped'],
    skipped: 2,
  })
  expect(countTests(report, { status: 0, maySkip: () => false }).failures).toHaveLength(3)
})

test('a test that fails is never skipped', () => {
  const failed = {
    status: 'failed',
    fullName: 'the sum',
    failureMessages: [`Error: ${'1'.repeat(400)}\n  at a.ts`],
  }
  const testResults = [{ name: 'a.test.ts', assertionResults: [failed] }]
  expect(countTests({ testResults }, { status: 1, maySkip: () => true }).failures).toEqual([
    `a.test.ts: the sum: Error: ${'1'.repeat(293)}`,
  ])
})

test('a run that broke before its tests has failed', () => {
  expect(countTests({}, { status: 1, maySkip: () => true })).toEqual({
    passed: 0,
    failures: ['exit status 1'],
    skipped: 0,
  })
})

test('each suite is a line of the table, with its counts and its time', () => {
  const row = { name: 'unit', passed: 2197, failures: [], skipped: 6, seconds: 75 }
  expect(formatRows([row]).split('\n')).toEqual([
    '                        passed  failed skipped   min:s',
    'unit                      2197       0       6    1:15',
  ])
})
