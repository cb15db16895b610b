import { get } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { KubeConfig } from '@kubernetes/client-node'
import type { KubeClient } from '../src/kube/client.ts'
import { resources } from '../src/kube/resources.ts'
import { cacheNames } from '../src/plan/service/original.ts'
import { type KubeObject, keyOf } from '../src/values/object.ts'
import { service, sklearn } from '../test/integration/services.ts'
import { type Stage, startStage } from './availability/stage.ts'

/*
 * How much longer a create of a service takes with Warmgate, at fixed rates: two replicas on a real API server. In
 * turns of a few seconds, services are created in a namespace that has opted in, and in one for which no webhook is
 * called.
 */

const arms = { without: 'plain', with: 'models' } as const
type Arm = keyof typeof arms

interface Block {
  latenciesMs: number[]
  seconds: number
  missed: number
  /** What replicas have asked the API server for about credentials. */
  reads: number
}

interface Row {
  rate: number
  reached: number
  p50Ms: Record<Arm, number>
  p99Ms: Record<Arm, number>
  readsPerReview: number
  missed: number
}

const models = 5
const mostPending = 256
const account = 'reader'

/** The account of the services, with one Secret. */
function credentials(namespace: string): KubeObject[] {
  const encoded = Buffer.from('x').toString('base64')
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'keys', namespace },
      data: { AWS_ACCESS_KEY_ID: encoded, AWS_SECRET_ACCESS_KEY: encoded },
    } as KubeObject,
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: account, namespace },
      secrets: [{ name: 'keys' }],
    } as KubeObject,
  ]
}

async function prepare({ client }: Stage): Promise<void> {
  await client.create(resources.namespace, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: arms.without },
  })
  for (const namespace of Object.values(arms))
    for (const object of credentials(namespace))
      await client.create(object.kind === 'Secret' ? resources.secret : resources.serviceAccount, object)
}

/** Creates services at a rate, and deletes them afterwards. A late create starts at once, so that no wait is lost. */
async function run(
  stage: Stage,
  arm: Arm,
  { rate, seconds }: { rate: number; seconds: number },
): Promise<Block> {
  const { client } = stage
  const pending = new Set<Promise<void>>()
  const made: KubeObject[] = []
  const latenciesMs: number[] = []
  const readsBefore = await credentialReads(stage)
  const startedMs = performance.now()
  const create = async (index: number, dueMs: number) => {
    const name = `m-${startedMs.toFixed(0)}-${index}`
    const predictor = { serviceAccountName: account, ...sklearn(`s3://models/shared-${index % models}`) }
    made.push(await client.create(resources.inferenceService, service(arms[arm], name, predictor)))
    latenciesMs.push(performance.now() - dueMs)
  }
  for (let index = 0; index < rate * seconds; index++) {
    const dueMs = startedMs + (index * 1_000) / rate
    const aheadMs = dueMs - performance.now()
    if (aheadMs > 0) await pause(aheadMs)
    while (pending.size >= mostPending) await Promise.race(pending)
    const creating = create(index, dueMs).finally(() => pending.delete(creating))
    pending.add(creating)
  }
  await Promise.all(pending)
  const tookSeconds = (performance.now() - startedMs) / 1_000
  const reads = (await credentialReads(stage)) - readsBefore
  const missed = arm === 'with' ? made.filter((each) => cacheNames(each).length === 0).length : 0
  await deleteAll(client, made)
  return { latenciesMs, seconds: tookSeconds, missed, reads }
}

async function deleteAll(client: KubeClient, objects: KubeObject[]): Promise<void> {
  const left = [...objects]
  const work = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop())
      await client.delete(resources.inferenceService, keyOf(next))
  }
  await Promise.all(Array.from({ length: 4 }, work))
}

// Nothing else reads them: there are no controllers.
const counted = /^apiserver_request_total\{.*resource="(?:serviceaccounts|secrets)".*verb="GET".*\} (\d+)$/

/** How often accounts and Secrets were read so far, as the API server counts it. */
async function credentialReads({ api }: Stage): Promise<number> {
  const config = new KubeConfig()
  config.loadFromFile(api.access.kubeconfig)
  const options = {}
  await config.applyToHTTPSOptions(options)
  const text = await new Promise<string>((resolve, reject) => {
    get(`${config.getCurrentCluster()?.server}/metrics`, options, async (response) => {
      resolve(Buffer.concat(await response.toArray()).toString())
    }).once('error', reject)
  })
  return text.split('\n').reduce((sum, line) => sum + Number(counted.exec(line)?.[1] ?? 0), 0)
}

async function measure(stage: Stage, rate: number, rounds: number, seconds: number): Promise<Row> {
  const blocks: Record<Arm, Block[]> = { without: [], with: [] }
  for (let round = 0; round < rounds; round++)
    for (const arm of ['without', 'with'] as const) {
      blocks[arm].push(await run(stage, arm, { rate, seconds }))
      // The controller ends what it does about services that are gone.
      await pause(1_000)
    }
  const all = (arm: Arm) => blocks[arm].flatMap(({ latenciesMs }) => latenciesMs).toSorted((a, b) => a - b)
  const at = (arm: Arm, share: number) => all(arm)[Math.ceil(all(arm).length * share) - 1] ?? Number.NaN
  const of = (share: number) => ({ without: at('without', share), with: at('with', share) })
  const sum = (each: (block: Block) => number) => blocks.with.reduce((total, block) => total + each(block), 0)
  const creates = all('with').length
  return {
    rate,
    reached: creates / sum((block) => block.seconds),
    p50Ms: of(0.5),
    p99Ms: of(0.99),
    readsPerReview: sum(({ reads }) => reads) / creates,
    missed: sum(({ missed }) => missed),
  }
}

const head = [
  '| creates a second | reached | p50 without, ms | with | p99 without, ms | with | more at p99, ms | reads per review | not accelerated |',
  '| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
]

function formatRow({ rate, reached, p50Ms, p99Ms, readsPerReview, missed }: Row): string {
  const times = [p50Ms.without, p50Ms.with, p99Ms.without, p99Ms.with, p99Ms.with - p99Ms.without]
  const figures = [reached, ...times].map((figure) => figure.toFixed(0))
  return `| ${[rate, ...figures, readsPerReview.toFixed(3), missed].join(' | ')} |`
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rates: { type: 'string', default: '10,25,50,100,200' },
      rounds: { type: 'string', default: '4' },
      seconds: { type: 'string', default: '5' },
    },
  })
  const stage = await startStage()
  try {
    await prepare(stage)
    // Both replicas and the API server run warm code in what is counted.
    for (const arm of ['without', 'with'] as const) await run(stage, arm, { rate: 20, seconds: 5 })
    process.stdout.write(`${head.join('\n')}\n`)
    for (const rate of values.rates.split(',').map(Number)) {
      const row = await measure(stage, rate, Number(values.rounds), Number(values.seconds))
      process.stdout.write(`${formatRow(row)}\n`)
    }
  } finally {
    await stage.stop()
  }
}
