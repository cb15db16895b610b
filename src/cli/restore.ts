import type { KubeClient } from '../kube/client.ts'
import { type EventNote, eventObject } from '../kube/events.ts'
import { resources } from '../kube/resources.ts'
import { clearCaches } from '../restore/caches.ts'
import {
  listCaches,
  listServices,
  type RestoreContext,
  RestoreReport,
  withSelected,
} from '../restore/context.ts'
import { releasePods } from '../restore/pods.ts'
import { restoreServices, type ServiceOptions } from '../restore/services.ts'
import type { Printing } from './terminal.ts'

export type RestoreOptions = Omit<RestoreContext, 'record' | 'report'> &
  ServiceOptions & {
    /** Release held pods, and leave services and caches as they are. */
    podsOnly: boolean
    selector?: string | undefined
  }

/**
 * `warmgate restore`: releases every held pod, restores the original services, and deletes the caches that no
 * service uses then. It works without the controller, and can be run again after an interruption. Resolves
 * with the exit status: 1 if something could not be done.
 */
export async function runRestore(options: RestoreOptions, { stdout }: Printing): Promise<0 | 1> {
  const report = new RestoreReport((text) => stdout.write(text), options.dryRun ? 'would be ' : '')
  const scope = await withSelected(options, options.selector)
  const context: RestoreContext = { ...options, scope, report, record: recorder(options) }
  await releasePods(context)
  if (!options.podsOnly) {
    const [services, caches] = [await listServices(context), await listCaches(context)]
    const restored = await restoreServices(context, { services, caches }, options)
    await clearCaches(context, restored)
    // Release pods that were created since, for services that were not restored yet.
    if (!options.dryRun) await releasePods(context)
  }
  if (options.signal.aborted) report.fail('all of it', 'interrupted: run it again')
  else if (report.lines === 0) stdout.write('there is nothing to undo\n')
  else if (options.dryRun) stdout.write('nothing was changed: with --yes it is done\n')
  return report.failures === 0 ? 0 : 1
}

/** Events are optional: a user who may not create them can still restore. */
function recorder({ client, clock }: { client: KubeClient } & Pick<RestoreContext, 'clock'>) {
  return async (event: EventNote) => {
    const object = eventObject(event, { nowMs: clock.now(), instance: 'warmgate-restore' })
    await client.create(resources.event, object).catch(() => undefined)
  }
}
