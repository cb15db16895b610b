import { isDeepStrictEqual } from 'node:util'
import type { Mirror } from '../../cluster/mirror.ts'
import type { Filled } from '../../fill/fill.ts'
import { type FillStep, fillJob, fillJobKey, lookJob } from '../../fill/job.ts'
import { lastLines } from '../../fill/output.ts'
import { type FillJobs, fillProgress, hasEnded, refillProgress } from '../../fill/progress.ts'
import { isOurs } from '../../fluid/dataset.ts'
import type { KubeClient } from '../../kube/client.ts'
import { deleteByUid } from '../../kube/delete.ts'
import { hasStatus } from '../../kube/errors.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { patchByUid } from '../../kube/patch.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import { resources } from '../../kube/resources.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { refillAnnotation, refilledAnnotation } from '../../values/keys.ts'
import { Memory } from '../../values/memory.ts'
import { type KubeObject, keyOf, type ObjectKey, ownerReference } from '../../values/object.ts'
import { quoted } from '../../values/text.ts'

export interface FillOptions {
  client: KubeClient
  mirror: Mirror
  events: EventRecorder
  logger: Logger
}

export type FillOutcome =
  | { kind: 'ready'; againMs: RequeueAfterMs }
  /** The end of a Job wakes the cache; `againMs` is for what no change shows. */
  | { kind: 'waiting'; againMs: RequeueAfterMs }
  | { kind: 'blocked'; reason: string; message: string }

const steps: readonly FillStep[] = ['look', 'fill']
const conflictRetryMs = 2_000

/**
 * Fills the mirrors that caches read from, each by Jobs in the namespace of its services. All services of a cache
 * own its Jobs: Kubernetes deletes a Job when the last of them is gone. Nothing in a mirror is ever deleted.
 */
export class FillReconciler {
  readonly #options: FillOptions
  /** The last lines of Jobs that failed, by UID: they are read once. */
  readonly #lines = new Memory<string>({ totalBytes: 2 ** 20, valueBytes: 2 ** 12 })

  constructor(options: FillOptions) {
    this.#options = options
  }

  /** Makes sure that a mirror has a model before its cache is created. */
  async ensure(cache: Filled, users: KubeObject[]): Promise<FillOutcome> {
    const jobs = this.#jobsOf(cache)
    const progress = fillProgress(jobs, cache.fill.settings.mode)
    switch (progress.stage) {
      case 'new':
        return await this.#start(cache, users, progress.next)
      case 'running':
        return await this.#share(jobs[progress.step], users)
      case 'complete':
        return { kind: 'ready', againMs: undefined }
      case 'failed':
        return {
          kind: 'blocked',
          reason: 'FillFailed',
          message: await this.#failure(cache, jobs[progress.step], progress.message),
        }
    }
  }

  /** Answers a request of `warmgate refresh` to download a model again. The cache serves meanwhile. */
  async refill(cache: Filled, dataset: KubeObject, users: KubeObject[]): Promise<RequeueAfterMs> {
    const { [refillAnnotation]: request, [refilledAnnotation]: answer = '' } =
      dataset.metadata.annotations ?? {}
    if (!request || answer.split(' ', 1)[0] === request) return undefined
    const { fill } = this.#jobsOf(cache)
    const progress = refillProgress(fill, request)
    switch (progress.stage) {
      case 'running':
        return undefined
      case 'new': {
        // A Job of an earlier request, or the first one.
        if (fill !== undefined && !hasEnded(fill)) return undefined
        if (fill !== undefined) {
          await deleteByUid(this.#options.client, resources.job, fill)
          return conflictRetryMs
        }
        const started = await this.#start(cache, users, 'fill', request)
        if (started.kind !== 'blocked') return started.kind === 'waiting' ? started.againMs : undefined
        return await this.#answer(dataset, `${request} Failed ${started.message}`)
      }
      case 'complete':
        return await this.#answer(dataset, `${request} Complete`)
      case 'failed':
        return await this.#answer(
          dataset,
          `${request} Failed ${await this.#failure(cache, fill, progress.message)}`,
        )
    }
  }

  /** Deletes the Jobs of a cache that no service uses; true if there was one. */
  async cancel(key: ObjectKey): Promise<boolean> {
    const { client, logger } = this.#options
    const { look, fill } = this.#jobsOf(key)
    const jobs = [look, fill].filter((job) => job !== undefined)
    for (const job of jobs) {
      if (job.metadata.deletionTimestamp !== undefined) continue
      await deleteByUid(client, resources.job, job)
      logger.info({ kind: job.kind, ...keyOf(job) }, 'deleted: no service uses it')
    }
    return jobs.length > 0
  }

  #jobsOf(key: ObjectKey): FillJobs {
    const [look, fill] = steps.map((step) => {
      const { namespace = '', name } = key
      const job = this.#options.mirror.fillJobs.get(fillJobKey({ namespace, name }, step))
      return job !== undefined && isOurs(job) ? job : undefined
    })
    return { look, fill }
  }

  async #start(cache: Filled, users: KubeObject[], step: FillStep, request?: string): Promise<FillOutcome> {
    const { client, events, logger } = this.#options
    const made = step === 'look' ? lookJob(cache) : fillJob(cache, request)
    const object = { ...made, metadata: { ...made.metadata, ownerReferences: users.map(ownerReference) } }
    try {
      await client.create(resources.job, object)
    } catch (error) {
      if (hasStatus(error, 409)) return { kind: 'waiting', againMs: conflictRetryMs }
      // A quota, Pod Security, the admission policy of the account, or no Role. Tell the users of the services.
      if (hasStatus(error, 403, 422)) {
        const message = error instanceof Error ? error.message : String(error)
        return { kind: 'blocked', reason: 'FillForbidden', message: `the Job cannot be created: ${message}` }
      }
      throw error
    }
    logger.info({ kind: 'Job', ...keyOf(object) }, 'created')
    if (step === 'fill')
      for (const regarding of users)
        events.record({
          regarding,
          type: 'Normal',
          reason: 'FillStarted',
          note: `downloading ${quoted(cache.fill.model)} into the mirror, by Job ${object.metadata.name}`,
          action: 'Fill',
        })
    return { kind: 'waiting', againMs: undefined }
  }

  /** Makes all services of a cache the owners of its Job. */
  async #share(job: KubeObject | undefined, users: KubeObject[]): Promise<FillOutcome> {
    const ownerReferences = users.map(ownerReference)
    const uids = (job?.metadata.ownerReferences ?? []).map(({ uid }) => uid).toSorted()
    const wanted = ownerReferences.map(({ uid }) => uid).toSorted()
    if (job !== undefined && !isDeepStrictEqual(uids, wanted))
      await patchByUid(this.#options.client, resources.job, job, {
        type: 'merge',
        body: { metadata: { ownerReferences } },
      })
    return { kind: 'waiting', againMs: undefined }
  }

  /** Why a Job failed, with its own last lines. */
  async #failure(cache: Filled, job: KubeObject | undefined, message: string): Promise<string> {
    const { client } = this.#options
    const { uid = '', name = '' } = job?.metadata ?? {}
    const known = this.#lines.get(uid)
    if (known !== undefined) return known
    const { namespace } = cache
    const { items } = await client.list(resources.pod, {
      namespace,
      labelSelector: `batch.kubernetes.io/job-name=${name}`,
    })
    const lines = lastLines(items)
    const said = lines === undefined ? '' : `: ${lines}`
    const text = `the download of ${quoted(cache.fill.model)} into the mirror failed (Job ${name}: ${quoted(message)})${said}`
    this.#lines.set(uid, text, text)
    return text
  }

  async #answer(dataset: KubeObject, answer: string): Promise<RequeueAfterMs> {
    const body = { metadata: { annotations: { [refilledAnnotation]: answer } } }
    await patchByUid(this.#options.client, resources.dataset, dataset, { type: 'merge', body })
    return undefined
  }
}
