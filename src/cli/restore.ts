import type { KubeClient } from '../kube/client.ts'
import { type EventNote, eventObject } from '../kube/events.ts'
import { resources } from '../kube/resources.ts'
import { clearCaches } from '../restore/caches.ts'
import { listCaches, listServices, Report, type RestoreContext } from '../restore/context.ts'
import { releasePods } from '../restore/pods.ts'
import { restoreServices, type ServiceOptions } from '../restore/services.ts'
import type { Streams } from './plan.ts'

export type RestoreOptions = Omit<RestoreContext, 'record' | 'report'> &
  ServiceOptions & {
    /** Release held pods, and leave services and caches as they are. */
    podsOnly: boolean
  }

/**
 * `warmgate restore`: releases every held pod, gives services back as they came in, and takes away the caches that nobody
 * uses then. It does by itself what the controller would do, and can be run again whenever it was interrupted. Answers the
 * exit status: 1 where something could not be done.
 */
export async function runRestore(
  options: RestoreOptions,
  { stdout }: Pick<Streams, 'stdout'>,
): Promise<0 | 1> {
  const report = new Report((text) => stdout.write(text), options.dryRun ? 'would be ' : '')
  const context: RestoreContext = { ...options, report, record: recorder(options) }
  await releasePods(context)
  if (!options.podsOnly) {
    const [services, caches] = [await listServices(context), await listCaches(context)]
    const restored = await restoreServices(context, { services, caches }, options)
    await clearCaches(context, restored)
    // Pods that came meanwhile, of services whose turn had not come yet.
    if (!options.dryRun) await releasePods(context)
  }
  if (options.signal.aborted) report.fail('all of it', 'interrupted: run it again')
  else if (report.lines === 0) stdout.write('there is nothing to undo\n')
  return report.failures === 0 ? 0 : 1
}

/** An Event is a courtesy: whoever may not write one may undo all the same. */
function recorder({ client, clock }: { client: KubeClient } & Pick<RestoreContext, 'clock'>) {
  return async (event: EventNote) => {
    const object = eventObject(event, { nowMs: clock.now(), instance: 'warmgate-restore' })
    await client.create(resources.event, object).catch(() => undefined)
  }
}
