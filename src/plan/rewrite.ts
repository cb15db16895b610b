import { servingContainers } from '../kserve/container.ts'
import { isObject, type Json, type KubeObject } from '../values/object.ts'
import { anchorsOf } from './anchor.ts'
import { deadlineValues } from './deadline.ts'
import type { Acceleration, Rewrite } from './decide.ts'
import { type Draft, pointer, steps } from './draft.ts'
import type { Facts } from './facts.ts'
import { type ContainerResources, gpuResources, leavesDevices } from './gpu.ts'
import { holdSettings } from './hold.ts'
import { type Additions, claimUri, type Original, type OriginalLocation, writeOriginal } from './original.ts'

/** Values to add to a service: by anchor, then by pointer from the anchor on. */
type Values = { [anchor: string]: { [pointer: string]: Json } }

/**
 * Makes a service use its caches: the URIs, what its policy adds, and the record of what stood there. `before` are
 * the records of earlier passes. One that says the same is kept word for word: KServe's defaulter may have filled in
 * fields since, and a record that changed would roll the pods.
 */
export function rewrite(
  draft: Draft,
  { rewrites, policy }: Acceleration,
  { before, facts }: { before: Original[]; facts: Facts },
): void {
  const ours = rewrites.filter(({ by }) => by === 'Spec')
  if (ours.length === 0) return
  const serving = ours.filter(({ location }) => location.component === 'predictor')
  const same = before.find((original) => serving.every((each) => recorded(original, each) !== undefined))
  const isServing = serving.length > 0
  const gpu = isServing ? policy.spec.gpu : undefined
  const hold = isServing ? holdSettings(policy.spec) : undefined
  const fresh = () => ({
    ...gpuValues(gpuResources(draft.object, gpu, facts.servingRuntimes)),
    'predictor-pod': deadlineValues(draft.object, hold, facts.kserve),
  })
  const values = same === undefined ? fresh() : valuesAgain(draft.object, same)
  const locations: Original['locations'] = {}
  for (const each of ours) {
    const { location } = each
    const known = before.map((original) => recorded(original, each)).find((record) => record !== undefined)
    locations[location.id] = known ?? record(each)
    draft.set(location.pointer, claimUri(each))
    if (location.model.kind === 'storage') draft.remove(location.model.pointer)
  }
  const additions = addAll(draft, values)
  writeOriginal(draft, {
    locations,
    additions: same?.additions ?? additions,
    madeAnnotations: same?.madeAnnotations ?? !isObject(draft.get('/metadata/annotations')),
  })
}

function record({ location: { model }, uri, cache, path, existing }: Rewrite): OriginalLocation {
  return {
    uri,
    cache,
    ...(path === undefined ? {} : { path }),
    ...(existing ? { existing } : {}),
    ...(model.kind === 'storage' ? { storage: model.storage } : {}),
  }
}

/** What a record says of this very rewrite. */
function recorded({ locations }: Original, rewrite: Rewrite): OriginalLocation | undefined {
  const { location, uri, cache, path } = rewrite
  const known = Object.hasOwn(locations, location.id) ? locations[location.id] : undefined
  return known?.uri === uri && known.cache === cache && known.path === path ? known : undefined
}

function gpuValues(found: ContainerResources[]): Values {
  const entries = found.map(({ container, resources }) => {
    const values = ['limits', 'requests'].flatMap((list) =>
      Object.entries(resources).map(
        ([name, quantity]) => [pointer('resources', list, name), quantity] as const,
      ),
    )
    return [container.id, Object.fromEntries(values)] as const
  })
  return Object.fromEntries(entries)
}

/** What was added before, unless its user asks for devices of another kind by now. */
function valuesAgain(service: KubeObject, { additions }: Original): Values {
  const containers = servingContainers(service)
  const entries = Object.entries(additions).flatMap(([anchor, { added }]) => {
    const container = containers.find(({ id }) => id === anchor)
    const names = Object.keys(added).map((path) => steps(path).at(-1) ?? '')
    const isLeft = container === undefined || leavesDevices(service, container, names)
    return isLeft ? [[anchor, added] as const] : []
  })
  return Object.fromEntries(entries)
}

/** Adds values below their anchors, where none stands. */
function addAll(draft: Draft, values: Values): Original['additions'] {
  const entries = anchorsOf(draft.object).map(({ id, pointer: base, owns }) => {
    const wanted = Object.entries(Object.hasOwn(values, id) ? (values[id] ?? {}) : {})
    const additions: Additions = { added: {}, made: [] }
    for (const [path, value] of wanted) {
      if (!owns.test(path) || draft.get(base + path) !== undefined) continue
      const parents = draft.set(base + path, value)
      additions.added[path] = value
      additions.made.push(...parents.map((parent) => parent.slice(base.length)))
    }
    return [id, additions] as const
  })
  return Object.fromEntries(entries)
}
