/** The outcome of steps and tests. */
export interface Count {
  passed: number
  failed: number
  skipped: number
}

/** What is read of the report of vitest's JSON reporter. */
export interface Report {
  testResults?: { name: string; assertionResults: { status: string }[] }[]
}

export interface CountOptions {
  /** The exit status of the run. */
  status: number
  /** Whether the tests of a file, by its path, have said that they are skipped here, and why. */
  maySkip: (file: string) => boolean
}

/** A suite that broke before its first test counts as a failure, and so does a test that was skipped in silence. */
export function countTests({ testResults = [] }: Report, { status, maySkip }: CountOptions): Count {
  const total: Count = { passed: 0, failed: 0, skipped: 0 }
  for (const { name, assertionResults } of testResults)
    for (const { status: outcome } of assertionResults) {
      if (outcome === 'passed') total.passed++
      else if (outcome !== 'failed' && maySkip(name)) total.skipped++
      else total.failed++
    }
  const broke = status !== 0 && total.failed === 0
  return broke ? { ...total, failed: 1 } : total
}

/** The outcome and the duration of one step or suite. */
export interface Row extends Count {
  name: string
  seconds: number
}

/** A table, one line for each step or suite. */
export function formatRows(rows: Row[]): string {
  const cells = rows.map(({ name, passed, failed, skipped, seconds }) => [
    name,
    ...[passed, failed, skipped].map(String),
    `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`,
  ])
  return [['', 'passed', 'failed', 'skipped', 'min:s'], ...cells]
    .map(([name = '', ...others]) => [name.padEnd(22), ...others.map((cell) => cell.padStart(8))].join(''))
    .join('\n')
}
