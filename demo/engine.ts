import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KubeClient } from '../src/kube/client.ts'
import { type KubeObject, keyOf } from '../src/values/object.ts'
import { resourceOf } from '../test/cluster/objects.ts'

export interface EngineOptions {
  /** The folder of the commands that Fluid executes (test/cluster/engine.sh). */
  folder: string
  modelBytes: number
  warmupSeconds: number
}

// Fluid reads a cache again after 10 s here, and ignores what comes within 2 s of its last reading.
const readMs = 2_250
// The Job ends a little after the last byte, so that Fluid's numbers reach 100 % first.
const fillShare = 0.85

/** Simulates the engine: the model's size, the speed of the warm-up, and the duration of the loading Job. */
export class Engine {
  readonly #client: KubeClient
  readonly #options: EngineOptions
  #filling: NodeJS.Timeout | undefined

  constructor(client: KubeClient, options: EngineOptions) {
    this.#client = client
    this.#options = options
  }

  /** Call this before the first cache is created: Fluid counts a model once, when it sets the cache up. */
  async prepare(): Promise<void> {
    this.#report(0)
    for (const object of loadingPods(this.#options.warmupSeconds))
      await this.#client.create({ ...resourceOf(object), namespaced: false }, object)
  }

  /** Fills the cache with so many copies, at an even speed. Call this when the loading Job starts to run. */
  fill(runtime: KubeObject, copies: number): void {
    const { modelBytes, warmupSeconds } = this.#options
    const startedMs = Date.now()
    this.#filling = setInterval(() => {
      const share = (Date.now() - startedMs) / 1_000 / warmupSeconds
      this.#report(Math.round(modelBytes * copies * Math.min(share / fillShare, 1)))
      this.#promptFluid(runtime)
      if (share > 1) this.stop()
    }, readMs)
  }

  stop(): void {
    clearInterval(this.#filling)
  }

  /** Any change of the Runtime makes Fluid read the cache now. A failure only makes the bar coarser. */
  #promptFluid(runtime: KubeObject): void {
    const body = { metadata: { annotations: { 'warmgate.test/prompted-at': new Date().toISOString() } } }
    this.#client.patch(resourceOf(runtime), keyOf(runtime), { type: 'merge', body }).catch(() => {})
  }

  /** Renames the file, so that a command never reads half of it. */
  #report(cachedBytes: number): void {
    const { folder, modelBytes } = this.#options
    const file = join(folder, 'model')
    writeFileSync(`${file}.new`, `${modelBytes} ${cachedBytes}\n`)
    renameSync(`${file}.new`, file)
  }
}

/** Sets how long the pods of loading Jobs run: KWOK reads the time from an annotation. */
function loadingPods(seconds: number): KubeObject[] {
  const apiVersion = 'admissionregistration.k8s.io/v1'
  const metadata = { name: 'warm-up-seconds' }
  const annotations = `{"warmgate.test/run-seconds": "${seconds}"}`
  const expression = `Object{metadata: Object.metadata{annotations: ${annotations}}}`
  const policy = {
    matchConstraints: {
      objectSelector: { matchLabels: { role: 'dataload-pod' } },
      resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
    },
    mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
    reinvocationPolicy: 'Never',
  }
  return [
    { apiVersion, kind: 'MutatingAdmissionPolicy', metadata, spec: policy },
    { apiVersion, kind: 'MutatingAdmissionPolicyBinding', metadata, spec: { policyName: metadata.name } },
  ]
}
