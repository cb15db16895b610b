import type { Fill } from '../../fill/fill.ts'
import { isLoadable } from '../../fluid/name.ts'
import { isReferenceTo } from '../../fluid/reference.ts'
import type { RuntimeName } from '../../fluid/runtimes.ts'
import type { Source } from '../../fluid/source.ts'
import type { ModelLocation } from '../../kserve/model-location.ts'
import type { PolicySpec } from '../../policy/schema.ts'
import { quoted } from '../../values/text.ts'
import type { Facts } from '../facts.ts'
import { dropsPath, existingPlace } from './existing.ts'
import type { OriginalLocation } from './original.ts'
import { referenceFor, sameReference } from './shared-dataset.ts'
import {
  cacheFor,
  type ReadSource,
  type ResolvedSource,
  type SourceRefused,
  type SourceResult,
} from './source.ts'

/** The cache or Dataset that serves a model. */
export interface Target {
  /** The PVC that replaces the model's URI, and the path in it if the model is not at its root. */
  cache: string
  path: string | undefined
  /** Whether the PVC belongs to a team's own Dataset. Warmgate creates and deletes nothing for it. */
  existing: boolean
  /** Undefined if nothing has to be created, or if a kept cache cannot be created again today. */
  provision: { source: Source; runtime: RuntimeName; fill?: Fill } | undefined
}

/** Chooses what serves a source: a shared or existing Dataset, a cache of many models, or its own cache. */
export function targetOf(
  read: ReadSource,
  location: ModelLocation,
  { scope, facts }: { scope: PolicySpec['cache']['scope']; facts: Facts },
): (Target & { ok: true }) | SourceRefused {
  // A Dataset that the policy names comes before an existing Dataset of the namespace.
  const reference = referenceFor(read, location, facts)
  if (reference !== undefined) return reference.ok ? whole(reference) : reference
  const place = existingPlace(read.source, location, facts)
  if (place !== undefined) {
    const path = place.path === '' ? undefined : place.path
    return { ok: true, cache: place.dataset, path, existing: true, provision: undefined }
  }
  const isShared = scope === 'Source' && !dropsPath(location) && isLoadable(read.path)
  const shared = isShared ? cacheFor(above(read, read.prefix), facts) : undefined
  // If the shared cache is refused, the model may still get its own cache.
  const resolved = shared?.ok === true ? shared : cacheFor(read, facts)
  if (!resolved.ok) return resolved
  const { name, source, runtime } = resolved
  const path = resolved === shared ? read.path : undefined
  return { ok: true, cache: name, path, existing: false, provision: { source, runtime } }
}

function whole({ name, source, runtime }: ResolvedSource): Target & { ok: true } {
  return { ok: true, cache: name, path: undefined, existing: false, provision: { source, runtime } }
}

/** The recorded cache, as it would be created today. */
export function sameCache(
  found: ReadSource,
  { before, location }: { before: OriginalLocation; location: ModelLocation },
  facts: Facts,
): SourceResult {
  const read = withCurrentReading(found, before.cache, facts)
  const reference = sameReference(read, { before, location }, facts)
  if (reference !== undefined) return reference
  if (read.unresolved !== undefined) return read.unresolved
  const { cache, path = '' } = before
  if (path === '') return cacheFor(read, facts, cache)
  const { uri } = read.source
  if (!isLoadable(path) || !uri.endsWith(`/${path}`))
    return {
      ok: false,
      reason: 'UnsafeUri',
      message: `${quoted(uri)} is not at the path ${quoted(path)} of a Dataset`,
    }
  return cacheFor(above(read, uri.slice(0, -path.length - 1)), facts, cache)
}

/** A cache that reads with its node's identity keeps it, even if the policy no longer allows that. */
function withCurrentReading(read: ReadSource, cache: string, { runtimes }: Facts): ReadSource {
  const exists = runtimes.some(({ kind, metadata }) => kind === 'AlluxioRuntime' && metadata.name === cache)
  return exists ? { ...read, source: { ...read.source, isReadAsNode: true } } : read
}

/** The same source, but of a directory above the model. */
function above(read: ReadSource, uri: string): ReadSource {
  return { ...read, source: { ...read.source, uri } }
}

/** How long the downloads into mirrors may take that come before the warm-ups, in milliseconds. */
export function longestFillMs(targets: Pick<Target, 'provision'>[]): number {
  return Math.max(0, ...targets.map(({ provision }) => provision?.fill?.settings.timeoutMs ?? 0))
}

/** `cache llama-0123456789`, or `existing Dataset team-models, at llama`. */
export function describeTarget({ cache, path, existing, provision }: Target): string {
  if (provision !== undefined && isReferenceTo(provision.source))
    return `cache ${cache}, which refers to ${quoted(provision.source.uri)}`
  const at = path === undefined ? '' : `, at ${quoted(path)}`
  const { fill } = provision ?? {}
  if (fill !== undefined)
    return `cache ${cache}, from a mirror that is filled with ${quoted(fill.model)} at ${quoted(fill.path)}`
  return existing ? `existing Dataset ${cache}${at}` : `cache ${cache}${at}`
}
