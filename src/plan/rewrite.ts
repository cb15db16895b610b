import type { ModelLocation } from '../kserve/location.ts'
import { isObject, type Json, type KubeObject } from '../values/object.ts'
import type { Decision } from './decide.ts'
import { type Draft, pointer, steps } from './draft.ts'
import { gpuResources, leavesDevices } from './gpu.ts'
import { cacheUri, type Original, type OriginalLocation, writeOriginal } from './original.ts'

type Acceleration = Extract<Decision, { kind: 'accelerate' }>

/**
 * Makes a service use its cache: the URI, the GPUs that its policy adds, and the record of what stood there.
 * `before` are the records of earlier passes. One that says the same is kept word for word: KServe's defaulter
 * may have filled in fields since, and a record that changed would roll the pods.
 */
export function rewrite(draft: Draft, decision: Acceleration, before: Original[]): void {
  const { location, cacheName, policy } = decision
  const same = before.find((record) => saysTheSame(record, decision))
  const known = same?.locations[location.id]
  const { container } = location
  const values =
    known === undefined
      ? resourceValues(gpuResources(draft.object, location, policy.spec.gpu))
      : addedAgain(draft.object, location, known)
  draft.set(location.pointer, cacheUri(cacheName))
  const extra = addBelow(draft, container.pointer, values)
  const record = known ?? { uri: location.uri, cache: cacheName, ...extra }
  writeOriginal(draft, {
    locations: { [location.id]: record },
    madeAnnotations: same?.madeAnnotations ?? !isObject(draft.get('/metadata/annotations')),
  })
}

function saysTheSame({ locations }: Original, { location, cacheName }: Acceleration): boolean {
  const record = locations[location.id]
  return record?.uri === location.uri && record.cache === cacheName
}

/** What was added before, unless its user asks for devices of another kind by now. */
function addedAgain(
  service: KubeObject,
  location: ModelLocation,
  { added }: OriginalLocation,
): OriginalLocation['added'] {
  const names = Object.keys(added).map((path) => steps(path).at(-1) ?? '')
  return leavesDevices(service, location, names) ? added : {}
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
