import type { ServiceView } from './service-view.ts'

// Open Data Hub's webhook copies a URI, or the key of a storage spec, from the connection that this
// annotation names.
const connections = 'opendatahub.io/connections'

/**
 * Whether another webhook has yet to set the location of a service's model. The API server then calls
 * Warmgate's webhook again (reinvocationPolicy: IfNeeded), so a warning now could be wrong.
 */
export function awaitsConnection({ annotations, locations }: ServiceView): boolean {
  const isComplete = locations.some(({ model }) => model.kind === 'uri' || Boolean(model.storage.key))
  return Boolean(annotations[connections]) && !isComplete
}
