import { styleText } from 'node:util'
import { printable, printableLines } from '../values/text.ts'
import type { Finding } from './doctor/check.ts'
import { checks } from './doctor/checks.ts'
import { mostItems, type ReaderOptions, readSnapshot } from './doctor/reader.ts'
import { type ListName, listNames, type Snapshot } from './doctor/snapshot.ts'
import type { Output } from './terminal.ts'

export type Checked = { check: string } & Finding

/**
 * `warmgate doctor`: checks the cluster once, and reports what prevents Warmgate from working. Resolves with
 * the exit status: 1 if a check failed.
 */
export async function runDoctor(
  options: ReaderOptions,
  { stdout, format }: { stdout: Output; format: 'text' | 'json' },
): Promise<0 | 1> {
  const snapshot = await readSnapshot(options)
  const found = examine(snapshot)
  const isWell = found.every(({ status }) => status !== 'failed')
  const cut = cutLists(snapshot)
  stdout.write(format === 'json' ? toJson({ found, isWell, cut }) : toText(found, stdout.isTTY === true))
  if (format === 'text' && cut.length > 0)
    stdout.write(`only the first ${mostItems} of these were read: ${cut.join(', ')}\n`)
  return isWell ? 0 : 1
}

/** Runs one check. If it throws, the other checks still run. */
export function examine(snapshot: Snapshot): Checked[] {
  return checks.flatMap(({ name, run }) => {
    try {
      return [run(snapshot)].flat().map((finding) => ({ check: name, ...finding }))
    } catch (error) {
      const message = `the check itself failed: ${error instanceof Error ? error.message : String(error)}`
      return [{ check: name, status: 'unknown' as const, message, todo: 'report this' }]
    }
  })
}

function cutLists({ lists }: Snapshot): ListName[] {
  return listNames.filter((name) => {
    const reading = lists[name]
    return reading.kind === 'read' && reading.isCut
  })
}

function toJson({ found, isWell, cut }: { found: Checked[]; isWell: boolean; cut: ListName[] }): string {
  return printableLines(`${JSON.stringify({ ok: isWell, checks: found, cut }, null, 2)}\n`)
}

const signs = {
  ok: { sign: '✓', colour: 'green' },
  warning: { sign: '!', colour: 'yellow' },
  unknown: { sign: '?', colour: 'yellow' },
  failed: { sign: '✗', colour: 'red' },
} as const

function toText(found: Checked[], isColoured: boolean): string {
  const width = Math.max(...found.map(({ check }) => check.length))
  const lines = found.map((finding) => {
    const { sign, colour } = signs[finding.status]
    const todo = finding.status === 'ok' ? '' : ` → ${finding.todo}`
    const head = `${sign} ${finding.check.padEnd(width)}`
    return `${isColoured ? styleText(colour, head) : head}  ${printable(`${finding.message}${todo}`)}`
  })
  return `${[...lines, summary(found)].join('\n')}\n`
}

function summary(found: Checked[]): string {
  const count = (status: Finding['status']) => found.filter((each) => each.status === status).length
  const parts = [
    [count('failed'), 'failed'],
    [count('warning'), 'to look at'],
    [count('unknown'), 'could not be checked'],
  ] as const
  const bad = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`)
  return bad.length === 0 ? 'everything is well' : bad.join(', ')
}
