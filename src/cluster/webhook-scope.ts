import type { LabelSelector } from '../policy/schema.ts'
import { type Labels, matchesSelector } from '../policy/selector.ts'
import { type KubeObject, listAt, objectAt } from '../values/object.ts'

/** Whether the webhooks of a configuration select a namespace with these labels. */
export function webhookSelects(configuration: KubeObject | undefined, namespaceLabels: Labels): boolean {
  const selectors = listAt(configuration, 'webhooks').map((webhook) => objectAt(webhook, 'namespaceSelector'))
  return (
    selectors.length > 0 &&
    selectors.every((selector) => matchesSelector(selector as LabelSelector, namespaceLabels))
  )
}
