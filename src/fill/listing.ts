import { fillLabel } from '../values/keys.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { segmentsOf } from '../values/text.ts'
import type { Filled } from './fill.ts'
import { job, rclone } from './job.ts'
import { remoteOf } from './remote.ts'

/** One directory of a mirror. */
export interface MirrorDirectory {
  /** Below the mirror, as path.ts names it; or where a download for a claim was written. */
  path: string
  /** A directory without a marker is not served: a Job is writing it, or was killed. */
  state: 'complete' | 'incomplete' | 'staging'
  files: number
  bytes: number
  /** When its newest file, or its marker, was written. */
  newestMs: number
}

const listSeconds = 600
const pruneSeconds = 3_600
const ours = '.warmgate'
const staging = `${ours}/staging`

/** The Job that prints the size, time and path of every file of a mirror. */
export function listJob(mirror: Filled): KubeObject {
  const remote = remoteOf(mirror.fill.store)
  const format = ['--format', 'stp', '--separator', '\t']
  const list = rclone(mirror.fill, remote, 'list', ['lsf', remote.root, '-R', '--files-only', ...format])
  return once(mirror, 'list', listSeconds, {
    containers: [{ ...list, volumeMounts: remote.mounts }],
    volumes: remote.volumes,
  })
}

/**
 * The Job that deletes directories of a mirror. The markers go first, so that a directory which is half deleted is
 * never served. All paths must be of a listing.
 */
export function pruneJob(mirror: Filled, paths: readonly string[]): KubeObject {
  // Without a filter rclone would delete the whole mirror.
  if (paths.length === 0 || !paths.every(isSafe)) throw new Error('no directories of a mirror are named')
  const remote = remoteOf(mirror.fill.store)
  const including = (files: string[]) => files.flatMap((file) => ['--include', file])
  const call = (name: string, directory: string, files: string[]) => ({
    ...rclone(mirror.fill, remote, name, ['delete', directory, ...including(files)]),
    volumeMounts: remote.mounts,
  })
  return once(mirror, 'prune', pruneSeconds, {
    initContainers: [
      call(
        'unmark',
        remote.root,
        paths.map((path) => `/${markerOf(path)}`),
      ),
    ],
    containers: [
      call(
        'delete',
        remote.root,
        paths.map((path) => `/${path}/**`),
      ),
    ],
    volumes: remote.volumes,
  })
}

/** A Job that Warmgate's controller does not follow. Its pod has the label that a NetworkPolicy may select. */
function once(
  mirror: Filled,
  step: 'list' | 'prune',
  activeDeadlineSeconds: number,
  template: JsonObject,
): KubeObject {
  const made = job(mirror, step, { activeDeadlineSeconds, template })
  const { [fillLabel]: _, ...labels } = made.metadata.labels ?? {}
  return { ...made, metadata: { ...made.metadata, labels } }
}

/**
 * The directories of a mirror, from what `listJob` prints. Files that are in none of them are not Warmgate's, and are
 * left out.
 */
export function parseListing(text: string): MirrorDirectory[] {
  const found = new Map<string, MirrorDirectory>()
  const marked = new Set<string>()
  for (const line of text.split('\n')) {
    const [size = '', time = '', ...rest] = line.split('\t')
    const file = rest.join('\t')
    const newestMs = Date.parse(`${time.replace(' ', 'T')}Z`)
    const place = placeOf(file)
    if (place === undefined || Number.isNaN(newestMs) || !/^[0-9]+$/.test(size)) continue
    const bytes = Number(size)
    // An empty marker is one that a Job has taken back.
    if (place.isMarker && bytes > 0) marked.add(place.path)
    const known = found.get(place.path) ?? empty(place.path)
    found.set(place.path, {
      ...known,
      newestMs: Math.max(known.newestMs, newestMs),
      ...(place.isMarker ? {} : { files: known.files + 1, bytes: known.bytes + bytes }),
    })
  }
  return [...found.values()]
    .map((each) => (marked.has(each.path) ? { ...each, state: 'complete' as const } : each))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

function empty(path: string): MirrorDirectory {
  const state = path.startsWith(`${staging}/`) ? 'staging' : 'incomplete'
  return { path, state, files: 0, bytes: 0, newestMs: 0 }
}

function markerOf(path: string): string {
  return `${ours}/${path}.json`
}

/** The directory of a file, or of a marker; undefined if it is in none that Warmgate names. */
function placeOf(file: string): { path: string; isMarker: boolean } | undefined {
  const segments = segmentsOf(file)
  if (file.startsWith(`${staging}/`)) {
    const path = segments.slice(0, 3).join('/')
    return segments.length > 3 && isSafe(path) ? { path, isMarker: false } : undefined
  }
  const isMarker = segments[0] === ours
  const inner = isMarker ? segments.slice(1) : segments
  // Only the last segment of a directory has an @ (path.ts).
  const last = inner.findIndex((segment) => segment.includes('@'))
  if (last === -1) return undefined
  const path = inner.slice(0, last + 1).join('/')
  if (!isMarker) return last < inner.length - 1 && isSafe(path) ? { path, isMarker } : undefined
  const marked = path.replace(/\.json$/, '')
  return marked !== path && last === inner.length - 1 && isSafe(marked)
    ? { path: marked, isMarker }
    : undefined
}

/** Only what path.ts writes: no character that has a meaning in a filter of rclone, and no way out of the mirror. */
function isSafe(path: string): boolean {
  return path.split('/').every((segment) => /^[A-Za-z0-9._~+@=-]+$/.test(segment) && !/^\.\.?$/.test(segment))
}
