import type { ServiceView } from './service-view.ts'

// Open Data Hub's webhook fills in what the connection of this name has: a URI, or the key of a storage spec.
const connections = 'opendatahub.io/connections'

/**
 * Whether another webhook is still to say where a service's model is. Warmgate's webhook is called again with that
 * (reinvocationPolicy: IfNeeded): what it would warn of now may not be true then.
 */
export function awaitsConnection({ annotations, locations }: ServiceView): boolean {
  const isComplete = locations.some(({ model }) => model.kind === 'uri' || Boolean(model.storage.key))
  return Boolean(annotations[connections]) && !isComplete
}
