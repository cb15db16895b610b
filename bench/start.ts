import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePorts } from '../test/cluster/ports.ts'
import { startWarmgate } from '../test/warmgate/process.ts'
import { type Stage, startStage } from './availability/stage.ts'

/*
 * make bench-start: how long a replica takes from the start of its process until it is ready, beside two others on a
 * real API server, bundled as in the image. Fails if the middle of all starts is above the bound.
 */

interface Start {
  readyMs: number
  /** CPU of the process until then, in milliseconds. */
  cpuMs: number
}

const ticksPerSecond = 100

async function start({ api, kubeconfig, program }: Stage, name: string): Promise<Start> {
  const [port = 0, probePort = 0, metricsPort = 0] = await freePorts(3)
  const logFile = join(api.access.dir, `${name}.log`)
  const replica = await startWarmgate({
    kubeconfig,
    logFile,
    port,
    probePort,
    metricsPort,
    name,
    program,
  })
  try {
    const cpuMs = await cpuOf(replica.pid)
    const [, readyMs] = /"startMs":(\d+),.*"msg":"ready"/.exec(await readFile(logFile, 'utf8')) ?? []
    return { readyMs: Number(readyMs), cpuMs }
  } finally {
    await replica.stop()
  }
}

/** What a process has used, from Linux's /proc/PID/stat. */
async function cpuOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1_000
}

function middle(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

const { values } = parseArgs({
  options: {
    starts: { type: 'string', default: '9' },
    'most-ms': { type: 'string', default: '2000' },
  },
})
const stage = await startStage()
try {
  const starts: Start[] = []
  for (let index = 0; index < Number(values.starts); index++) {
    const each = await start(stage, `start-${index}`)
    starts.push(each)
    process.stdout.write(`ready after ${each.readyMs} ms, ${each.cpuMs} ms of CPU\n`)
  }
  const readyMs = middle(starts.map((each) => each.readyMs))
  process.stdout.write(
    `middle: ready after ${readyMs} ms, ${middle(starts.map((each) => each.cpuMs))} ms of CPU\n`,
  )
  if (!(readyMs <= Number(values['most-ms']))) process.exitCode = 1
} finally {
  await stage.stop()
}
