import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { resources } from '../src/kube/resources.ts'
import { cacheNames } from '../src/plan/service/original.ts'
import { type JsonObject, type KubeObject, stringAt } from '../src/values/object.ts'
import { applyAll } from '../test/cluster/objects.ts'
import { until } from '../test/cluster/until.ts'
import { type Engine, forgetPages, startEngine, storeAccess } from '../test/engine/engine.ts'
import { writeSafetensors } from '../test/engine/model.ts'
import { applyPolicy, condition, isTrue, podsOf } from '../test/integration/await.ts'
import { custom, namespace, policyOf, service } from '../test/integration/services.ts'
import { modelServerImage } from '../test/node/images.ts'
import {
  caption,
  type Machine,
  type Measurement,
  type Setting,
  summarize,
  timeline,
} from './headline-report.ts'

/*
 * node bench/headline.ts: from a pod's creation to its readiness, with plain KServe and with Warmgate, each part of the
 * way itself: KServe's storage initializer, Fluid, Alluxio, kubelet, an S3 server behind a link of limited speed.
 */

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    gib: { type: 'string', default: '3.14' },
    minutes: { type: 'string', default: '120' },
    shards: { type: 'string', default: '1' },
    'link-mib': { type: 'string', default: '100' },
    out: { type: 'string', default: 'bench/headline' },
  },
})
const mib = 2 ** 20
const rounds = Number(options.rounds)
const modelMib = Math.round(Number(options.gib) * 1024)
const shards = Number(options.shards)
const linkMib = Number(options['link-mib'])
const longestMs = 1_800_000
const progress = (line: string) => process.stderr.write(`${new Date().toISOString()} ${line}\n`)

/** The namespaces: without Warmgate, with a policy that holds pods, and with one that lets the first ones download. */
const [plain, warm, warmPod] = ['plain', 'warm', 'warm-pod']
const server: JsonObject = {
  image: modelServerImage.name,
  ports: [{ containerPort: 8080 }],
  readinessProbe: { httpGet: { path: '/read', port: 8080 }, periodSeconds: 1 },
  securityContext: { runAsUser: 1000, runAsGroup: 1000 },
  // What it reads is counted as its memory for as long as the page cache has it.
  resources: {
    requests: { cpu: '10m', memory: '16Mi' },
    limits: { cpu: '2', memory: `${2 * modelMib + 512}Mi` },
  },
}

async function main(): Promise<void> {
  const startedMs = Date.now()
  const endMs = startedMs + Number(options.minutes) * 60_000
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-headline-'))
  const engine = await startEngine({ nodes: 1, bytesPerSecond: linkMib * mib, isPatient: true, progress })
  try {
    await prepare(engine, folder)
    const measured: Measurement[] = []
    const add = async (made: Promise<Measurement>, round: number) => {
      const each = await made
      measured.push(each)
      const seconds = each.readySeconds.toFixed(1)
      progress(`round ${round}: ${each.mode}: Ready after ${seconds} s, ${each.linkMib} MiB over the link`)
      await write(measured)
    }
    let longestRoundMs = 0
    for (let round = 1; round <= rounds; round++) {
      const roundMs = Date.now()
      if (roundMs + longestRoundMs > endMs) {
        progress(`no time for round ${round}: it would end after ${options.minutes} min`)
        break
      }
      const run = new Run(engine, round)
      await add(run.first('plain KServe', plain), round)
      await add(run.more('plain KServe, 1 to 4 pods', 4), round)
      await run.end()
      await add(run.first('Warmgate, no cache yet', warm, { 'warmgate.dev/hold': 'Scheduling' }), round)
      await add(run.more('Warmgate, second pod', 2), round)
      await add(run.more('Warmgate, 2 to 5 pods', 5), round)
      await add(run.again('Warmgate, from zero'), round)
      await add(
        run.again('Warmgate, from zero, new node', () => run.forgetPages()),
        round,
      )
      await run.end()
      const early = 'Warmgate, no cache yet, hold at Readiness'
      await add(run.first(early, warm, { 'warmgate.dev/hold': 'Readiness' }), round)
      await run.end()
      await add(run.first('Warmgate, no cache yet, rewrite: WarmPod', warmPod), round)
      await run.end()
      longestRoundMs = Math.max(longestRoundMs, Date.now() - roundMs)
    }
  } finally {
    await engine.stop()
    await rm(folder, { recursive: true })
  }
}

async function prepare({ store, stage }: Engine, folder: string): Promise<void> {
  await store.createBucket('models')
  for (let shard = 1; shard <= shards; shard++) {
    const file = join(folder, 'shard')
    progress(`writing shard ${shard} of ${shards}, ${Math.round(modelMib / shards)} MiB`)
    await writeSafetensors(file, { bytes: (modelMib / shards) * mib, tensors: Math.ceil(293 / shards) })
    await store.put(`models/bloom/model-${String(shard).padStart(5, '0')}.safetensors`, { file })
  }
  for (const ns of [plain, warm, warmPod])
    await applyAll(stage.client, [namespace(ns, labelsOf(ns)), ...storeAccess(ns, store)])
  const limits = (memory: string) => ({
    requests: { cpu: '10m', memory: '64Mi' },
    limits: { cpu: '2', memory },
  })
  const cache = {
    replicas: 1,
    tieredStore: [{ medium: 'SSD', quota: `${Math.ceil(modelMib / 900)}Gi` }],
    resources: { master: limits('768Mi'), worker: limits('2Gi'), fuse: limits('2Gi') },
  }
  const sources = [{ match: ['s3://'], runtime: 'Alluxio' }]
  await applyPolicy(stage.client, policyOf(warm, { cache, sources }))
  await applyPolicy(stage.client, policyOf(warmPod, { cache, sources, rewrite: 'WarmPod' }))
}

function labelsOf(ns: string): { [key: string]: string } {
  return ns === plain ? {} : { 'warmgate.dev/acceleration': 'enabled' }
}

/** One service at a time, each under a name of its own. */
class Run {
  readonly #engine: Engine
  readonly #round: number
  #service: { ns: string; name: string; cache: string | undefined } | undefined

  constructor(engine: Engine, round: number) {
    this.#engine = engine
    this.#round = round
  }

  async first(mode: string, ns: string, annotations: { [key: string]: string } = {}): Promise<Measurement> {
    const name = `bloom-${this.#round}-${ns}-${(annotations['warmgate.dev/hold'] ?? 'x').toLowerCase()}`
    const own = { 'serving.kserve.io/autoscalerClass': 'none', ...annotations }
    const predictor = { serviceAccountName: 'reader', minReplicas: 1, ...custom('s3://models/bloom', server) }
    return await this.#measure(mode, async () => {
      const made = await this.#engine.stage.client.create(
        resources.inferenceService,
        service(ns, name, predictor, own),
      )
      this.#service = { ns, name, cache: cacheNames(made)[0] }
    })
  }

  /** More pods at once, until the last one is Ready. */
  async more(mode: string, replicas: number): Promise<Measurement> {
    const { length } = await this.#pods()
    return await this.#measure(mode, () => this.#scale(replicas), replicas - length)
  }

  /** The only pod again, after the service had none. */
  async again(mode: string, before: () => Promise<void> = async () => {}): Promise<Measurement> {
    await this.#scale(0)
    await until('the end of the pods', async () => (await this.#pods()).length === 0 || undefined, {
      timeoutMs: longestMs,
    })
    await before()
    return await this.#measure(mode, () => this.#scale(1))
  }

  /** Takes the model out of the node's page cache: the next pod reads it from Alluxio, as on a node without it. */
  async forgetPages(): Promise<void> {
    const { ns, cache = '' } = this.#service ?? { ns: '' }
    await forgetPages(this.#engine.nodes[0], ns, cache)
  }

  /** Deletes the service and all that was made for it. */
  async end(): Promise<void> {
    const { ns, name } = this.#service ?? { ns: '', name: '' }
    const { client } = this.#engine.stage
    await client.delete(resources.inferenceService, { namespace: ns, name })
    for (const resource of [resources.dataset, resources.pod])
      await until(`the end of all ${resource.plural}`, async () => {
        const { items } = await client.list(resource, { namespace: ns })
        return items.length === 0 || undefined
      })
  }

  async #scale(replicas: number): Promise<void> {
    const { ns, name } = this.#service ?? { ns: '', name: '' }
    const patch = { spec: { predictor: { minReplicas: replicas, maxReplicas: Math.max(replicas, 1) } } }
    await this.#engine.stage.client.patch(
      resources.inferenceService,
      { namespace: ns, name },
      { type: 'merge', body: patch },
    )
  }

  async #isBound(): Promise<boolean> {
    const { ns, cache } = this.#service ?? { ns: '', cache: undefined }
    if (cache === undefined) return false
    const found = await this.#engine.stage.client.get(resources.dataset, { namespace: ns, name: cache })
    return stringAt(found, 'status', 'phase') === 'Bound'
  }

  async #pods(): Promise<KubeObject[]> {
    const { ns, name } = this.#service ?? { ns: '', name: '' }
    return await podsOf(this.#engine.stage.client, ns, name)
  }

  /** Of the last of the pods that `act` makes. */
  async #measure(mode: string, act: () => Promise<void>, count = 1): Promise<Measurement> {
    const { link } = this.#engine.store
    const known = this.#service === undefined ? [] : (await this.#pods()).map(({ metadata }) => metadata.uid)
    const sentBefore = await link.sentBytes()
    const startMs = Date.now()
    await act()
    const times: { [step: string]: number } = {}
    await until(
      `${count} pods of ${mode}`,
      async () => {
        const made = (await this.#pods()).filter(({ metadata }) => !known.includes(metadata.uid))
        const seen = (step: string, isSo: (pod: KubeObject) => boolean) => {
          if (made.length >= count && made.every(isSo)) times[step] ??= (Date.now() - startMs) / 1_000
        }
        seen('created', () => true)
        const isBound = times.bound === undefined && (await this.#isBound())
        seen('bound', () => isBound)
        seen('scheduled', (pod) => isTrue(pod, 'PodScheduled'))
        seen('initialized', (pod) => isTrue(pod, 'Initialized'))
        seen('loaded', (pod) => isTrue(pod, 'ContainersReady'))
        seen('warm', (pod) => stringAt(condition(pod, 'warmgate.dev/cache-warm'), 'status') === 'True')
        seen('ready', (pod) => isTrue(pod, 'Ready'))
        return times.ready
      },
      { timeoutMs: longestMs },
    )
    const readySeconds = (Date.now() - startMs) / 1_000
    const linkMib = Math.round(((await link.sentBytes()) - sentBefore) / mib)
    return { mode, pods: count, round: this.#round, readySeconds, linkMib, times, load: loadavg()[0] ?? 0 }
  }
}

async function write(measured: Measurement[]): Promise<void> {
  await mkdir(options.out, { recursive: true })
  const machine: Machine = {
    cpus: `${cpus().length} × ${cpus()[0]?.model}`,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
  }
  const setting: Setting = { gib: modelMib / 1024, shards, linkMib, rounds }
  await writeFile(
    join(options.out, 'results.json'),
    `${JSON.stringify({ machine, setting, measured }, null, 2)}\n`,
  )
  await writeFile(join(options.out, 'table.md'), `${summarize(measured)}\n${caption(machine, setting)}\n`)
  await writeFile(join(options.out, 'timeline.svg'), timeline(measured))
}

await main()
