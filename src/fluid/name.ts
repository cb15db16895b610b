import { hash } from 'node:crypto'
import type { Source } from './source.ts'

const slugLength = 26
const hashLength = 10

/**
 * The name of a cache: the model's name and a hash. It is a DNS-1035 label of at most 37 characters, because
 * Fluid appends suffixes to it (StatefulSets, Helm releases). The hash includes the namespace, because
 * Fluid's PersistentVolumes are cluster-scoped and named `<namespace>-<name>`: (a-b, c) and (a, b-c) would
 * collide. The name depends on namespace, source and credentials, never on a policy's settings.
 */
export function cacheName(namespace: string, source: Omit<Source, 'options'>): string {
  const { uri, credentials, endpoint } = source
  const identity = JSON.stringify([
    namespace,
    uri,
    Object.entries(credentials),
    endpoint.url ?? '',
    endpoint.region ?? '',
    // Only if it is set, so that caches without it keep their names.
    ...(endpoint.addressing === undefined ? [] : [endpoint.addressing]),
  ])
  return `${slug(uri)}-${shortHash(identity)}`
}

/**
 * The name of the DataLoad for one path of a cache: the cache's name for the root; otherwise a name of the
 * same form and length, from the cache and the path.
 */
export function loadName(cache: string, path: string): string {
  if (path === '') return cache
  return `${slug(path)}-${shortHash(JSON.stringify([cache, path]))}`
}

/** Whether Fluid can load a path: it joins paths with colons, and puts them into a script. */
export function isLoadable(path: string): boolean {
  return path
    .split('/')
    .every((segment) => /^[A-Za-z0-9._~+@=-]+$/.test(segment) && !/^\.{1,2}$/.test(segment))
}

/**
 * Whether a name has the form of a cache's name. Warmgate creates and deletes no objects with other names.
 */
export function isCacheName(name: string): boolean {
  return /^[a-z][a-z0-9-]{0,25}-[0-9a-f]{10}$/.test(name)
}

function shortHash(text: string): string {
  return hash('sha256', text).slice(0, hashLength)
}

function slug(uri: string): string {
  const words = (uri.split('/').at(-1) ?? '').toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  const prefixed = /^[a-z]/.test(words) ? words : `m-${words.replace(/^-+/, '')}`
  return prefixed.slice(0, slugLength).replace(/-+$/, '')
}
