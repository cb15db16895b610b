import type { Json } from '../values/object.ts'
import type { Decision } from './decide.ts'
import { type Draft, pointer } from './draft.ts'
import { gpuResources } from './gpu.ts'
import { cacheUri, type OriginalLocation, writeOriginal } from './original.ts'

type Acceleration = Extract<Decision, { kind: 'accelerate' }>

/** Makes a service use its cache: the URI, the GPUs that its policy adds, and the record of what stood there. */
export function rewrite(draft: Draft, { location, cacheName, policy, kept }: Acceleration): void {
  const { container } = location
  const values = kept?.added ?? resourceValues(gpuResources(draft.object, location, policy.spec.gpu))
  draft.set(location.pointer, cacheUri(cacheName))
  const { added, made } = addBelow(draft, container.pointer, values)
  const record: OriginalLocation = { uri: location.uri, cache: cacheName, added, made }
  writeOriginal(draft, { [location.id]: record })
}

function resourceValues(resources: [string, string][]): { [pointer: string]: Json } {
  const entries = ['limits', 'requests'].flatMap((list) =>
    resources.map(([name, quantity]) => [pointer('resources', list, name), quantity]),
  )
  return Object.fromEntries(entries)
}

/** Adds values below a container, where none stands; pointers are from the container on. */
function addBelow(
  draft: Draft,
  container: string,
  values: { [pointer: string]: Json },
): Pick<OriginalLocation, 'added' | 'made'> {
  const added: { [pointer: string]: Json } = {}
  const made: string[] = []
  for (const [path, value] of Object.entries(values)) {
    if (draft.get(container + path) !== undefined) continue
    const parents = draft.set(container + path, value)
    added[path] = value
    made.push(...parents.map((parent) => parent.slice(container.length)))
  }
  return { added, made }
}
