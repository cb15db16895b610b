import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { fakeGround, realGround } from './scale/ground.ts'
import { type EventCost, measure, type Needs, warmUp } from './scale/measure.ts'
import { type Size, sizeOf } from './scale/objects.ts'
import { type Build, bundleReplica, shippedNodeOptions } from './scale/replica.ts'

interface Options {
  services: number[]
  nodeOptions: string[]
  /** An older checkout, which is measured in the same cluster. */
  before: string | undefined
  isFake: boolean
}

interface Row extends Size, Needs {
  build: string
}

/** What a replica needs, at each size; with `before`, also what it needed then. */
async function benchScale(options: Options, report: (row: Row) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-scale-'))
  try {
    const now = await bundled(new URL('../', import.meta.url), join(folder, 'now.mjs'), options)
    const then =
      options.before === undefined
        ? []
        : [
            {
              build: 'before',
              ...(await bundled(pathToFileURL(`${options.before}/`), join(folder, 'then.mjs'), options)),
            },
          ]
    const bare = { program: join(folder, 'bare.mjs'), nodeOptions: options.nodeOptions }
    await bundleReplica(new URL('../', import.meta.url), bare.program, 'bare-watch')
    for (const services of options.services)
      await benchSize(sizeOf(services), [...then, { build: 'now', ...now }], { now, bare, options, report })
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function benchSize(
  size: Size,
  builds: (Build & { build: string })[],
  { now, bare, options, report }: { now: Build; bare: Build; options: Options; report: (row: Row) => void },
): Promise<void> {
  const ground = await (options.isFake ? fakeGround(size) : realGround(size))
  try {
    await warmUp(ground, size, now)
    for (const { build, ...of } of builds)
      report({ build, ...size, ...(await measure(ground, { build: of, leader: now, bare })) })
  } finally {
    await ground.stop()
  }
}

async function bundled(checkout: URL, program: string, { nodeOptions }: Options): Promise<Build> {
  await bundleReplica(checkout, program)
  return { program, nodeOptions }
}

const head = [
  '| services / caches / pods | build | sync, s | RSS, MiB | peak | heap | take-over, ms | calls | service event, ms | Dataset event | pod event | scrape |',
  '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
]

function formatRow({ services, caches, pods, build, ...needs }: Row): string {
  const format = (value: number) => value.toFixed(value < 10 ? 2 : 0)
  const figures = Object.values(needs).map((value: number | EventCost) =>
    typeof value === 'number' ? format(value) : `${format(value.ms)} (${format(value.bareMs)})`,
  )
  const size = [services, caches, pods].map((count) => count.toLocaleString('en')).join(' / ')
  return `| ${[size, build, ...figures].join(' | ')} |`
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      services: { type: 'string', default: '1000,5000' },
      'node-options': { type: 'string' },
      before: { type: 'string' },
      fake: { type: 'boolean', default: false },
    },
  })
  const options = {
    services: values.services.split(',').map(Number),
    nodeOptions: values['node-options']?.split(' ') ?? (await shippedNodeOptions()),
    before: values.before,
    isFake: values.fake,
  }
  process.stdout.write(`${head.join('\n')}\n`)
  await benchScale(options, (row) => process.stdout.write(`${formatRow(row)}\n`))
}
