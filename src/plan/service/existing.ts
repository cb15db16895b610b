import { isOurs } from '../../fluid/dataset.ts'
import { isWritable, pathIn } from '../../fluid/existing.ts'
import type { Source } from '../../fluid/source.ts'
import { volumeName } from '../../fluid/volume.ts'
import type { ModelLocation } from '../../kserve/model-location.ts'
import type { KubeObject } from '../../values/object.ts'
import type { Facts } from '../facts.ts'

/** A team's own Dataset that serves a source, and the path in its volume; empty for its root. */
export interface ExistingLocation {
  dataset: string
  path: string
}

/**
 * The team's own Dataset of the namespace that serves a source at a location. Prefers the most specific
 * mount, then the first name.
 */
export function existingPlace(
  source: Source,
  location: ModelLocation,
  facts: Facts,
): ExistingLocation | undefined {
  const candidates = facts.datasets.filter(
    (dataset) => !isOurs(dataset) && hasVolume(dataset, facts) && isSafe(dataset, location),
  )
  if (candidates.length === 0) return undefined
  const byName = Map.groupBy(facts.runtimes, ({ metadata }) => metadata.name)
  const places = candidates
    .flatMap((dataset) => {
      const { name = '' } = dataset.metadata
      const runtimes = byName.get(name) ?? []
      const path = pathIn({ dataset, runtimes }, source)
      return path === undefined ? [] : [{ dataset: name, path }]
    })
    .filter(({ path }) => path === '' || !dropsPath(location))
  return places.toSorted((a, b) => depth(a) - depth(b) || (a.dataset < b.dataset ? -1 : 1))[0]
}

/** Whether KServe ignores the path of a PVC at a location and mounts its root. */
export function dropsPath({ group }: Pick<ModelLocation, 'group'>): boolean {
  return group.endsWith('.storageUris')
}

function hasVolume({ metadata: { name = '' } }: KubeObject, facts: Facts): boolean {
  return !facts.foreignClaims.has(name) && !facts.foreignVolumes.has(volumeName(facts.namespace, name))
}

/** Refuses a writable Dataset if files that a server writes next to its model could reach the store. */
function isSafe(dataset: KubeObject, location: ModelLocation): boolean {
  return !dropsPath(location) || !isWritable(dataset)
}

function depth({ path }: ExistingLocation): number {
  return path === '' ? 0 : path.split('/').length
}
