import { createHash } from 'node:crypto'
import { segmentsOf } from '../values/text.ts'

/** A namespace's own copy of a model, by what its download reads with. */
export interface Owner {
  namespace: string
  /** What else the content may depend on: credentials, endpoints, the downloading container. */
  identity: unknown
}

const mostSegment = 200
const mostPath = 512

/**
 * The directory of a model in a mirror, without a slash at its ends: `hf/org/model@`, `hf/org/model@rev@`, or
 * `s3/bucket/model.joblib@@team-a.0123456789` for a copy that only its namespace may use.
 *
 * Two downloads that may differ never share a directory, and no directory is inside another one: `@` is only in
 * the last segment, and always there. The path never leaves the mirror, and a mount can carry it: other characters
 * than letters, digits and `._~+-` are written as `=` and their code. A query may hold a credential, so only its
 * hash is in the path. Segments that begin with a dot are Warmgate's own.
 */
export function fillPath(uri: string, owner: Owner | undefined): string {
  const start = uri.indexOf('://')
  const scheme = uri.slice(0, start)
  const [rest, query] = withoutQuery(uri.slice(start + '://'.length))
  const segments = rest.split('/')
  const last = segments.at(-1) ?? ''
  const colon = scheme === 'hf' ? last.indexOf(':') : -1
  const [name, revision] = colon === -1 ? [last, ''] : [last.slice(0, colon), last.slice(colon + 1)]
  const version = escaped(revision, '') + (query === undefined ? '' : `=q${hash(query, 32)}`)
  const ending = owner === undefined ? '' : `${owner.namespace}.${hash(JSON.stringify(owner.identity), 10)}`
  const leaf = [escaped(name), version, ending]
  const names = version === '' && ending === '' ? leaf.slice(0, 2) : leaf
  const above = [scheme.toLowerCase(), ...segments.slice(0, -1).map((segment) => escaped(segment))]
  const path = [...above, names.join('@')].join('/')
  return isShort(path) ? path : `.long/${hash(path, 64)}@`
}

/** The URI without its query, which may hold a credential. */
export function withoutCredentials(uri: string): string {
  return withoutQuery(uri)[0]
}

function withoutQuery(text: string): [rest: string, query: string | undefined] {
  const at = text.search(/[?#]/)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at)]
}

/** An empty segment is `=0`, which is no escape. */
function escaped(text: string, empty = '=0'): string {
  if (text === '') return empty
  return text.replaceAll(/^\.|[^A-Za-z0-9._~+-]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  )
}

function isShort(path: string): boolean {
  return path.length <= mostPath && segmentsOf(path).every((segment) => segment.length <= mostSegment)
}

function hash(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}
