import { parseArgs } from 'node:util'
import { serve } from '../src/cli/serve.ts'
import { replicaOptions } from '../test/warmgate/replica.ts'

// `warmgate serve`, which checks its certificates every second in place of every minute: twenty rotations would take
// hours.

const text = { type: 'string' as const }
const { values } = parseArgs({
  options: { address: text, port: text, 'probe-port': text, 'metrics-port': text, drain: text },
  allowPositionals: true,
})
const { port, 'probe-port': probePort, 'metrics-port': metricsPort } = values
const ports = { port: Number(port), probePort: Number(probePort), metricsPort: Number(metricsPort) }
const options = { ...replicaOptions(ports), logLevel: 'info', clientName: [], drain: 8_000 }
await serve(options, { certificateTickMs: 1_000 })
