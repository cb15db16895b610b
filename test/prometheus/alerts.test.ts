import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { objectAt, stringAt } from '../../src/values/object.ts'
import { readObjects } from '../cluster/objects.ts'
import { alertsOf, providePrometheus, rulesText } from './prometheus.ts'

/* The shipped rules, by Prometheus' own tool: alerts.yaml has a case in which each alert fires, and one without any. */

const run = promisify(execFile)
const [rules = { apiVersion: '', kind: '', metadata: {} }] = await readObjects(
  'manifests/components/prometheus/rules.yaml',
)
const alerts = alertsOf(rules)
const cases = await readFile(new URL('alerts.yaml', import.meta.url), 'utf8')
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warmgate-rules-'))
  await writeFile(join(folder, 'rules.yaml'), await rulesText())
  await writeFile(join(folder, 'alerts.yaml'), cases)
})

afterAll(() => rm(folder, { recursive: true }))

async function promtool(...args: string[]): Promise<string> {
  const { stdout } = await run(join(await providePrometheus(), 'promtool'), args, { cwd: folder })
  return stdout
}

test('the rules are ones that Prometheus takes', async () => {
  expect(await promtool('check', 'rules', '--lint=all', '--lint-fatal', 'rules.yaml')).toContain('SUCCESS')
})

test('each alert fires in its case, and none fires when all is well', async () => {
  expect(await promtool('test', 'rules', 'alerts.yaml')).toContain('SUCCESS')
})

test('each alert has a case in which it fires', () => {
  const { tests } = parse(cases) as {
    tests: { alert_rule_test?: { alertname: string; exp_alerts?: object[] }[] }[]
  }
  const fired = tests.flatMap(({ alert_rule_test: expected = [] }) =>
    expected.filter(({ exp_alerts }) => exp_alerts?.length).map(({ alertname }) => alertname),
  )
  expect([...new Set(fired)].toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted())
})

test('each alert says how urgent it is, and has a section in the runbook', async () => {
  const runbook = await readFile(new URL('../../docs/runbooks/alerts.md', import.meta.url), 'utf8')
  const sections = [...runbook.matchAll(/^## (\w+)$/gm)].map(([, name]) => name)
  expect(sections.toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted())
  for (const alert of alerts) {
    expect(['critical', 'warning', 'info']).toContain(objectAt(alert, 'labels').severity)
    expect(stringAt(alert, 'annotations', 'runbook_url')).toBe(
      `docs/runbooks/alerts.md#${String(alert.alert).toLowerCase()}`,
    )
  }
})
