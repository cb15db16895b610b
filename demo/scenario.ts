import { readFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import { runtimeResources } from '../src/cluster/runtimes.ts'
import type { KubeClient } from '../src/kube/client.ts'
import { resources } from '../src/kube/resources.ts'
import { progressOf } from '../src/plan/cache/cache-phase.ts'
import { hasGate } from '../src/plan/pod/pod.ts'
import { cacheWarmGate } from '../src/values/keys.ts'
import { getIn, type KubeObject, listAt, objectAt, stringAt } from '../src/values/object.ts'
import { formatSize } from '../src/values/size.ts'
import { applyAll, hasCondition, readObjects, resourceOf } from '../test/cluster/objects.ts'
import type { Engine } from './engine.ts'
import type { Screen } from './screen.ts'
import type { Step, Timeline } from './timeline.ts'
import { Watcher } from './watcher.ts'

export const namespace = 'models'
const manifest = 'demo/manifests/bloom.yaml'

/** Runs the demo step by step, prints what happens, and measures how long it takes. */
export class Scenario {
  readonly #client: KubeClient
  readonly #screen: Screen
  readonly #engine: Engine
  readonly #pods: Watcher
  readonly #datasets: Watcher
  readonly #dataLoads: Watcher
  readonly #jobs: Watcher
  readonly #runtimes: Watcher

  constructor(client: KubeClient, screen: Screen, engine: Engine) {
    this.#client = client
    this.#screen = screen
    this.#engine = engine
    this.#pods = new Watcher(client, resources.pod, namespace)
    this.#datasets = new Watcher(client, resources.dataset, namespace)
    this.#dataLoads = new Watcher(client, resources.dataLoad, namespace)
    this.#jobs = new Watcher(client, resources.job, namespace)
    this.#runtimes = new Watcher(client, runtimeResources.Jindo, namespace)
  }

  async stop(): Promise<void> {
    const watchers = [this.#pods, this.#datasets, this.#dataLoads, this.#jobs, this.#runtimes]
    await Promise.all(watchers.map((watcher) => watcher.stop()))
  }

  /** Applies what the platform team sets up once, before any model is deployed. */
  async prepare(): Promise<void> {
    for (const file of ['namespace', 'secret', 'policy', 'storage-container']) {
      await applyAll(this.#client, await readObjects(`demo/manifests/${file}.yaml`))
    }
  }

  /** Starts the accelerated service, from its manifest to its first ready pod. */
  async accelerated(): Promise<Omit<Timeline, 'more'>> {
    const screen = this.#screen
    screen.title('1. The manifest, as the model team wrote it')
    screen.text((await readFile(new URL('manifests/bloom.yaml', import.meta.url), 'utf8')).trimEnd())
    screen.title('2. kubectl apply')
    const startMs = Date.now()
    screen.begin(startMs)
    const [service] = await readObjects(manifest)
    if (service === undefined) throw new Error(`${manifest} is empty`)
    const admitted = await this.#client.create(resourceOf(service), service)
    this.#say('admitted', describeRewrite(service, admitted))
    const dataset = await this.#datasets.until((objects) => objects[0])
    await this.#created(dataset)
    const pod = await this.#pods.until((objects) => objects.find(hasGate))
    this.#say(
      'held',
      `pod ${pod.metadata.name} is created by KServe; Warmgate adds the readiness gate ${cacheWarmGate}`,
    )
    this.#say('kserve', volumesOf(pod))
    await this.#datasets.until((objects) =>
      objects.find((object) => stringAt(object, 'status', 'phase') === 'Bound'),
    )
    const boundMs = Date.now()
    this.#say(
      'fluid',
      `Dataset ${dataset.metadata.name} is Bound: its PVC is there, the pod can start; the cache is still empty`,
    )
    await this.#pods.until((objects) => objects.find(isLoading))
    const loadingMs = Date.now()
    await this.#warmup()
    const warmMs = Date.now()
    const ready = await this.#pods.until((objects) =>
      objects.find((object) => object.metadata.uid === pod.metadata.uid && isReady(object)),
    )
    const readyMs = Date.now()
    this.#say(
      'released',
      `${stringAt(conditionOf(ready, cacheWarmGate), 'message')}: pod ${ready.metadata.name} is Ready`,
    )
    const at = (ms: number) => (ms - startMs) / 1_000
    const first: Step[] = [
      { name: 'cache bound', mark: '░', fromSeconds: 0, toSeconds: at(boundMs) },
      { name: 'Job started', mark: '·', fromSeconds: at(boundMs), toSeconds: at(loadingMs) },
      { name: 'warm-up, once', mark: '▒', fromSeconds: at(loadingMs), toSeconds: at(warmMs) },
      { name: 'pod 1 ready', mark: '█', fromSeconds: at(warmMs), toSeconds: at(readyMs) },
    ]
    return { title: 'with Warmgate', first }
  }

  /** Scales from 1 to 3 pods; returns how long the new pods took from their creation to Ready. */
  async scaleOut(name: string): Promise<Step> {
    const known = new Set(this.#of(name).map(({ metadata }) => metadata.uid))
    const fresh = () => this.#of(name).filter(({ metadata }) => !known.has(metadata.uid))
    const body = { spec: { predictor: { minReplicas: 3 } } }
    await this.#client.patch(resources.inferenceService, { namespace, name }, { type: 'merge', body })
    // Start the clock only now: how soon the autoscaler reacts is not compared.
    await this.#pods.until(() => (fresh().length === 2 ? true : undefined))
    const startMs = Date.now()
    this.#say('kserve', `2 more pods of ${name}: ${fresh().filter(hasGate).length} of them are held`)
    await this.#pods.until(() => (fresh().filter(isReady).length === 2 ? true : undefined))
    const readyMs = Date.now()
    this.#say('ready', `2 more pods of ${name} are Ready`)
    return { name: '1 → 3 pods', mark: '█', fromSeconds: 0, toSeconds: (readyMs - startMs) / 1_000 }
  }

  /** Starts the same service with acceleration disabled: what KServe does without Warmgate. */
  async plain(): Promise<Omit<Timeline, 'more'>> {
    const [service] = await readObjects(manifest)
    if (service === undefined) throw new Error(`${manifest} is empty`)
    const { metadata } = service
    const annotations = { ...metadata.annotations, 'warmgate.dev/acceleration': 'disabled' }
    const optedOut: KubeObject = { ...service, metadata: { ...metadata, name: 'bloom-plain', annotations } }
    const startMs = Date.now()
    await this.#client.create(resourceOf(optedOut), optedOut)
    const pod = await this.#pods.until(() =>
      this.#of('bloom-plain').find((found) => listAt(found, 'spec', 'initContainers').length > 0),
    )
    this.#say('kserve', `pod ${pod.metadata.name} has a storage initializer: it downloads the model itself`)
    await this.#pods.until(() => this.#of('bloom-plain').find(isReady))
    const readyMs = Date.now()
    this.#say('ready', `pod ${pod.metadata.name} is Ready`)
    const first = [
      { name: 'download in pod 1', mark: '▒', fromSeconds: 0, toSeconds: (readyMs - startMs) / 1_000 },
    ]
    return { title: 'without', first }
  }

  async #created(dataset: KubeObject): Promise<void> {
    const { name = '' } = dataset.metadata
    const runtime = await this.#runtimes.until((objects) => objects[0])
    const workers = String(objectAt(runtime, 'spec').replicas ?? '?')
    const tier = objectAt(listAt(runtime, 'spec', 'tieredstore', 'levels')[0])
    this.#say(
      'created',
      `Dataset ${name}, owned by the service: ${stringAt(dataset, 'spec', 'mounts', 0, 'mountPoint')}`,
    )
    this.#say(
      'created',
      `JindoRuntime ${name}: ${workers} workers with ${tier.quota} of ${tier.mediumtype} each`,
    )
    const dataLoad = await this.#dataLoads.until((objects) => objects[0])
    this.#say('created', `DataLoad ${dataLoad.metadata.name}: the warm-up`)
  }

  /** Draws what Fluid reports of the cache until the loading Job is done. */
  async #warmup(): Promise<void> {
    this.#say('fluid', 'the loading Job runs and fills the cache')
    const copies = Number(getIn(this.#dataLoads.list()[0], 'spec', 'target', 0, 'replicas') ?? 1)
    this.#engine.fill(await this.#runtimes.until((objects) => objects[0]), copies)
    const isDone = () => this.#jobs.list().some(isComplete)
    const draw = () => {
      const [dataset, dataLoad] = [this.#datasets.list()[0], this.#dataLoads.list()[0]]
      const progress = dataset && dataLoad && progressOf(dataset, dataLoad)
      if (progress === undefined) return
      const { cachedBytes, totalBytes } = progress
      const detail = `${formatSize(cachedBytes)} of ${formatSize(totalBytes)}`
      this.#screen.progress('warm-up', cachedBytes / totalBytes, detail)
    }
    void this.#datasets.until(() => {
      if (isDone()) return true
      draw()
      return undefined
    })
    const job = await this.#jobs.until((objects) => objects.find(isComplete))
    draw()
    this.#say('fluid', `${job.metadata.name} is complete: the cache is warm`)
  }

  #of(service: string): KubeObject[] {
    return this.#pods
      .list()
      .filter(({ metadata }) => metadata.labels?.['serving.kserve.io/inferenceservice'] === service)
  }

  #say(who: string, what: string): void {
    this.#screen.event(Date.now(), who, what)
  }
}

function isReady(pod: KubeObject): boolean {
  return hasCondition(pod, 'Ready', 'True')
}

function isComplete(job: KubeObject): boolean {
  return hasCondition(job, 'Complete', 'True')
}

/** Whether a pod of Fluid's loading Job runs. */
function isLoading(pod: KubeObject): boolean {
  return pod.metadata.labels?.role === 'dataload-pod' && stringAt(pod, 'status', 'phase') === 'Running'
}

function conditionOf(pod: KubeObject, type: string) {
  return listAt(pod, 'status', 'conditions').find((condition) => stringAt(condition, 'type') === type)
}

function volumesOf(pod: KubeObject): string {
  const claims = listAt(pod, 'spec', 'volumes').flatMap((volume) => {
    const claim = stringAt(volume, 'persistentVolumeClaim', 'claimName')
    return claim === undefined ? [] : [`${stringAt(volume, 'name')} → PVC ${claim}`]
  })
  const initializers = listAt(pod, 'spec', 'initContainers').length
  return `it mounts ${claims.join(', ')}; storage initializers: ${initializers}`
}

/** Describes what Warmgate changed between the manifest and the admitted service. */
function describeRewrite(before: KubeObject, after: KubeObject): string {
  const [was, is] = [before, after].map((service) => {
    const variables = listAt(service, 'spec', 'predictor', 'containers', 0, 'env')
    return stringAt(
      variables.find((variable) => stringAt(variable, 'name') === 'STORAGE_URI'),
      'value',
    )
  })
  const { limits } = objectAt(after, 'spec', 'predictor', 'containers', 0, 'resources')
  const gpus = stringify(limits ?? {})
    .trim()
    .replaceAll('\n', ', ')
  return `STORAGE_URI ${was} → ${is}; limits ${gpus}`
}
