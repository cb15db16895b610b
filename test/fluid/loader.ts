import { WorkQueue } from '../../src/kube/queue.ts'
import { resources } from '../../src/kube/resources.ts'
import { type KubeObject, keyOf, keyText, listAt, stringAt } from '../../src/values/object.ts'
import type { LoadRequest } from './cache.ts'
import type { FluidContext } from './context.ts'
import type { RuntimeKind } from './kinds.ts'
import { datasetId, jobName, releaseName } from './names.ts'
import { timestamp } from './status.ts'

/** Excludes the Job from Kubernetes' Job controller: no pod runs, and the stand-in writes its status. */
const managedBy = 'warmgate.test/fluid'

/** The Job of the chart fluid-dataloader, but for what its container does. */
export function toJob(dataLoad: KubeObject, dataset: KubeObject, kind: RuntimeKind): KubeObject {
  const { name = '', namespace = '', uid = '' } = dataLoad.metadata
  const release = releaseName(name)
  const labels = {
    release,
    app: kind.engine,
    targetDataset: dataset.metadata.name ?? '',
    'app.kubernetes.io/name': 'fluid-dataloader',
    'app.kubernetes.io/instance': release,
    'app.kubernetes.io/managed-by': 'Helm',
    'fluid.io/managed-by': 'fluid',
    'fluid.io/dataset-id': datasetId(dataset),
  }
  const { apiVersion, kind: owner } = dataLoad
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobName(name),
      namespace,
      labels: { ...labels, role: 'dataload-job' },
      ownerReferences: [{ apiVersion, kind: owner, name, uid, controller: true, blockOwnerDeletion: false }],
    },
    spec: {
      managedBy,
      backoffLimit: kind.backoffLimit,
      completions: 1,
      parallelism: 1,
      template: {
        metadata: { name: `${release}-loader`, labels: { ...labels, role: 'dataload-pod' } },
        spec: {
          restartPolicy: 'Never',
          containers: [{ name: 'dataloader', image: 'warmgate.test/fluid-dataloader' }],
        },
      },
    },
  }
}

/** The condition of an ended Job; undefined while it runs. */
export function finished(job: KubeObject) {
  return listAt(job, 'status', 'conditions').find(
    (one) =>
      ['Complete', 'Failed'].includes(stringAt(one, 'type') ?? '') && stringAt(one, 'status') === 'True',
  )
}

/** Simulates the loading pods: fills caches at the configured speed, and ends Jobs as configured. */
export class Loader {
  readonly #context: FluidContext
  readonly #queue: WorkQueue

  constructor(context: FluidContext) {
    this.#context = context
    const { clock, logger } = context
    this.#queue = new WorkQueue({ clock, logger, work: (key) => this.#look(key) })
  }

  /** Starts or continues the load of a Job; a Job of an earlier process starts again. */
  begin(job: KubeObject, dataset: KubeObject, request: () => LoadRequest): void {
    this.#context.caches.begin(job.metadata.uid ?? '', keyText(keyOf(dataset)), request)
    this.#queue.add(keyText(keyOf(job)))
  }

  stop(): Promise<void> {
    return this.#queue.stop()
  }

  async #look(key: string): Promise<number | undefined> {
    const { client, caches } = this.#context
    const [namespace = '', name = ''] = key.split('/')
    const job = await client.get(resources.job, { namespace, name })
    if (job === undefined || finished(job) !== undefined) return undefined
    const progress = caches.progress(job.metadata.uid ?? '')
    switch (progress.kind) {
      case 'unknown':
        return undefined
      case 'running':
        await this.#write(job, { active: 1 })
        return progress.leftMs
      case 'ended':
        await this.#write(job, progress.failure === undefined ? complete : failed(progress.failure))
        return undefined
    }
  }

  async #write(job: KubeObject, ending: JobEnding): Promise<void> {
    const { client, clock } = this.#context
    const now = timestamp(clock.now())
    const { conditions = [], completes, ...counts } = ending
    const status = {
      startTime: stringAt(job, 'status', 'startTime') ?? now,
      active: 0,
      ...counts,
      ...(completes ? { completionTime: now } : {}),
      conditions: conditions.map((one) => ({
        ...one,
        status: 'True',
        lastProbeTime: now,
        lastTransitionTime: now,
      })),
    }
    const patch = { type: 'merge' as const, body: { status } }
    await client.patch(resources.job, keyOf(job), patch, { subresource: 'status' })
  }
}

interface JobEnding {
  active?: number
  succeeded?: number
  failed?: number
  completes?: boolean
  conditions?: { type: string; reason: string; message: string }[]
}

// The API server asks for the first condition of each pair before it believes the second.
const complete: JobEnding = {
  succeeded: 1,
  completes: true,
  conditions: ['SuccessCriteriaMet', 'Complete'].map((type) => ({
    type,
    reason: 'CompletionsReached',
    message: 'Reached expected number of succeeded pods',
  })),
}

function failed(message: string): JobEnding {
  return {
    failed: 1,
    conditions: ['FailureTarget', 'Failed'].map((type) => ({
      type,
      reason: 'BackoffLimitExceeded',
      message,
    })),
  }
}
