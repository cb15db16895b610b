/** The outcome of steps and tests. */
export interface Count {
  passed: number
  /** A line for each failure: where it is, and the first line of its message. */
  failures: string[]
  skipped: number
}

/** What is read of the report of vitest's JSON reporter. */
export interface Report {
  testResults?: { name: string; assertionResults: TestResult[] }[]
}

interface TestResult {
  status: string
  fullName?: string
  failureMessages?: string[]
}

export interface CountOptions {
  /** The exit status of the run. */
  status: number
  /** Whether the tests of a file, by its path, have said that they are skipped here, and why. */
  maySkip: (file: string) => boolean
}

/** A suite that broke before its first test counts as a failure, and so does a test that was skipped in silence. */
export function countTests({ testResults = [] }: Report, { status, maySkip }: CountOptions): Count {
  const total: Count = { passed: 0, failures: [], skipped: 0 }
  for (const { name, assertionResults } of testResults)
    for (const result of assertionResults) {
      if (result.status === 'passed') total.passed++
      else if (result.status !== 'failed' && maySkip(name)) total.skipped++
      else total.failures.push(failureLine(name, result))
    }
  const broke = status !== 0 && total.failures.length === 0
  return broke ? { ...total, failures: [`exit status ${status}`] } : total
}

function failureLine(file: string, { status, fullName = '', failureMessages = [] }: TestResult): string {
  const [message = status] = failureMessages.join('\n').split('\n')
  return `${file}: ${fullName}: ${(message || status).slice(0, 300)}`
}

/** The outcome and the duration of one step or suite. */
export interface Row extends Count {
  name: string
  seconds: number
}

/** A table, one line for each step or suite. */
export function formatRows(rows: Row[]): string {
  const cells = rows.map(({ name, passed, failures, skipped, seconds }) => [
    name,
    ...[passed, failures.length, skipped].map(String),
    `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`,
  ])
  return [['', 'passed', 'failed', 'skipped', 'min:s'], ...cells]
    .map(([name = '', ...others]) => [name.padEnd(22), ...others.map((cell) => cell.padStart(8))].join(''))
    .join('\n')
}
