// The stand-in for Fluid as a separate process: node test/fluid/main.ts --kubeconfig FILE [options]
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { KubeConfig } from '@kubernetes/client-node'
import { createClient } from '../../src/kube/http.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { parseDurationMs } from '../../src/values/duration.ts'
import { parseSizeBytes } from '../../src/values/size.ts'
import { startFluid } from './fluid.ts'
import type { FluidOptions } from './options.ts'

const usage = `node test/fluid/main.ts --kubeconfig FILE
  --bind 20s          until a Dataset is Bound
  --poll 20s          how often a DataLoad is looked at
  --sync 15s          how often progress is written
  --model 1GiB        the size of every model
  --speed 200MiB      what a load caches in a second
  --log-level warn
`

function toValues() {
  try {
    return parseArgs({
      options: {
        kubeconfig: { type: 'string' },
        bind: { type: 'string' },
        poll: { type: 'string' },
        sync: { type: 'string' },
        model: { type: 'string' },
        speed: { type: 'string' },
        'log-level': { type: 'string', default: 'warn' },
      },
    }).values
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error))
  }
}

const values = toValues()

function parsed<T>(flag: string, text: string | undefined, parse: (text: string) => T | undefined) {
  if (text === undefined) return undefined
  const value = parse(text)
  if (value === undefined) fail(`--${flag} ${text} cannot be read`)
  return value
}

function fail(problem: string): never {
  process.stderr.write(`${problem}\n${usage}`)
  process.exit(2)
}

function toOptions(): Partial<FluidOptions> {
  const bytes = parsed('model', values.model, parseSizeBytes)
  const given = {
    bindMs: parsed('bind', values.bind, parseDurationMs),
    pollMs: parsed('poll', values.poll, parseDurationMs),
    syncMs: parsed('sync', values.sync, parseDurationMs),
    bytesPerSecond: parsed('speed', values.speed, parseSizeBytes),
    modelBytes: bytes === undefined ? undefined : () => bytes,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function toKubeConfig(file: string | undefined): KubeConfig {
  if (file === undefined) fail('--kubeconfig is missing')
  if (!existsSync(file)) fail(`--kubeconfig ${file} does not exist`)
  const config = new KubeConfig()
  config.loadFromFile(file)
  return config
}

const client = createClient(toKubeConfig(values.kubeconfig))
const logger = createLogger(values['log-level'])
const fluid = await startFluid({ client, logger, options: toOptions() })
process.stdout.write('Fluid stand-in: running\n')
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await fluid.stop()
    await client.close()
  })
}
