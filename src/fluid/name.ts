import { hash } from 'node:crypto'
import type { Source } from './source.ts'

const slugLength = 26
const hashLength = 10

/**
 * The name of a cache: the model's own name for people, a hash for Kubernetes. It is a DNS-1035 label of at
 * most 37 characters, since Fluid hangs longer names on it (StatefulSets, Helm releases), and the hash holds
 * the namespace, since Fluid's PV `<namespace>-<name>` is one of the whole cluster: (a-b, c) and (a, b-c)
 * would be the same. It follows from namespace, source and credentials, never from a policy's settings.
 */
export function cacheName(namespace: string, source: Omit<Source, 'options'>): string {
  const { uri, credentials, endpoint } = source
  const identity = JSON.stringify([
    namespace,
    uri,
    Object.entries(credentials),
    endpoint.url ?? '',
    endpoint.region ?? '',
    // Only if set, so that this later field did not rename existing caches.
    ...(endpoint.addressing === undefined ? [] : [endpoint.addressing]),
  ])
  return `${slug(uri)}-${shortHash(identity)}`
}

/**
 * The name of the DataLoad that fills one path of a cache: the cache's own for the whole of it; else as a cache's is made,
 * of the cache and the path. It fits wherever a cache's name does.
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

/** Whether a name has the form of Warmgate's names: it creates and deletes no other objects. */
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
