import type { KubeObject } from '../../values/object.ts'
import type { ListName, Reading, Snapshot } from './snapshot.ts'

/** The result of a check. All results except `ok` say what to do. */
export type Finding =
  | { status: 'ok'; message: string }
  | { status: 'failed' | 'warning' | 'unknown'; message: string; todo: string }

/** A check has one subject, and reads the snapshot only. */
export interface Check {
  /** One noun. */
  name: string
  /** The first of several findings is the worst. */
  run(snapshot: Snapshot): Finding | Finding[]
}

/** A check of these lists; if one cannot be read, its finding says so. */
export function check<Name extends ListName>(
  name: string,
  lists: readonly Name[],
  find: (found: Record<Name, KubeObject[]>, snapshot: Snapshot) => Finding | Finding[],
): Check {
  return { name, run: (snapshot) => withLists(snapshot, lists, (found) => find(found, snapshot)) }
}

export const ok = (message: string): Finding => ({ status: 'ok', message })
export const failed = (message: string, todo: string): Finding => ({ status: 'failed', message, todo })
export const warning = (message: string, todo: string): Finding => ({ status: 'warning', message, todo })
export const unknown = (message: string, todo: string): Finding => ({ status: 'unknown', message, todo })

export function withLists<Name extends ListName>(
  { lists }: Snapshot,
  names: readonly Name[],
  find: (found: Record<Name, KubeObject[]>) => Finding | Finding[],
): Finding | Finding[] {
  const unread = names.flatMap((name) => (lists[name].kind === 'unread' ? [lists[name].why] : []))
  if (unread[0] !== undefined) return unknown(unread[0], 'run it as a user who may read that')
  const found = names.map((name) => [name, itemsOf(lists[name])])
  return find(Object.fromEntries(found) as Record<Name, KubeObject[]>)
}

export function itemsOf(reading: Reading): KubeObject[] {
  return reading.kind === 'read' ? reading.items : []
}

/** The findings, or a green one if there are none. */
export function orOk(findings: (Finding | undefined)[], message: string): Finding[] {
  const found = findings.filter((finding) => finding !== undefined)
  return found.length === 0 ? [ok(message)] : found
}

/** A few names, and how many more there are. */
export function some(names: readonly string[], most = 3): string {
  const more = names.length - most
  return `${names.slice(0, most).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** `1 node`, `3 nodes`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

export function nameOf({ metadata }: KubeObject): string {
  return metadata.name ?? ''
}

export function fullName({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
}
