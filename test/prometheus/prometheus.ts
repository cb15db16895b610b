import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { type JsonObject, type KubeObject, listAt, objectAt } from '../../src/values/object.ts'
import { provideFromDebian } from '../cluster/debian.ts'
import { readObjects } from '../cluster/objects.ts'
import { freePorts } from '../cluster/ports.ts'
import { Processes } from '../cluster/processes.ts'
import { findProgram } from '../node/requirements.ts'

const path = 'usr/bin/prometheus'

/** The folder of `prometheus` and `promtool`: the machine's own, or else Debian's. */
export async function providePrometheus(): Promise<string> {
  const own = await findProgram('promtool', process.env)
  if (own !== undefined) return dirname(own)
  const progress = (line: string) => void process.stderr.write(`${line}\n`)
  return dirname(await provideFromDebian('prometheus', { path, code: 'PROMETHEUS_MISSING', progress }))
}

/** The shipped rules, as a file of Prometheus' own: the spec of the PrometheusRule. */
export async function rulesText(): Promise<string> {
  const [rules] = await readObjects('manifests/components/prometheus/rules.yaml')
  return stringify(objectAt(rules, 'spec'))
}

export interface Rule {
  name: string
  query: string
  type: 'alerting' | 'recording'
  health: string
  lastError?: string
  state?: string
}

export interface Sample {
  metric: { [label: string]: string }
  value: number
}

/** A Prometheus that scrapes and evaluates each second. */
export interface Prometheus {
  query(expr: string): Promise<Sample[]>
  rules(): Promise<Rule[]>
  stop(): Promise<void>
}

/** @param targets `host:port` of each replica's metrics */
export async function startPrometheus(targets: string[]): Promise<Prometheus> {
  const bin = await providePrometheus()
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-prometheus-'))
  const processes = new Processes(folder)
  const [port = 0] = await freePorts(1)
  const url = `http://127.0.0.1:${port}/api/v1`
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yaml'],
    scrape_configs: [{ job_name: 'warmgate', static_configs: [{ targets }] }],
  }
  await writeFile(join(folder, 'rules.yaml'), await rulesText())
  await writeFile(join(folder, 'prometheus.yaml'), stringify(config))
  const flags = {
    'config.file': join(folder, 'prometheus.yaml'),
    'storage.tsdb.path': join(folder, 'data'),
    'web.listen-address': `127.0.0.1:${port}`,
  }
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
  processes.start({ name: 'prometheus', file: join(bin, 'prometheus'), args })
  const read = async (what: string) => {
    const response = await fetch(`${url}/${what}`)
    const { data, error } = (await response.json()) as { data: never; error?: string }
    if (error !== undefined) throw new Error(`${what}: ${error}`)
    return data
  }
  await processes.until('Prometheus', async () => (await read('rules')) as object)
  return {
    async query(expr) {
      const { result } = (await read(`query?query=${encodeURIComponent(expr)}`)) as {
        result: { metric: Sample['metric']; value: [number, string] }[]
      }
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
    },
    async rules() {
      const { groups } = (await read('rules')) as { groups: { rules: Rule[] }[] }
      return groups.flatMap(({ rules }) => rules)
    },
    stop: () => processes.stop(),
  }
}

/** The alerts of the shipped rules, as they are written. */
export function alertsOf(rules: KubeObject): JsonObject[] {
  return listAt(rules, 'spec', 'groups')
    .flatMap((group) => listAt(group, 'rules'))
    .map((rule) => objectAt(rule))
    .filter(({ alert }) => alert !== undefined)
}
