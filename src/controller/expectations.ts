import type { Change, Reflector } from '../kube/reflector.ts'
import { type KubeObject, keyOf } from '../values/object.ts'

/** The resourceVersions after and before a write. */
interface ExpectedWrite {
  version: string
  before: string
}

/**
 * The objects that the controller wrote and that the mirror does not show yet, by UID. Their copies in the
 * mirror are out of date: an action that must happen only once waits for the new version. This needs no guess
 * of the watch's lag.
 */
export class Expectations {
  readonly #source: Pick<Reflector, 'get' | 'onChange'>
  /** By UID. */
  readonly #writes = new Map<string, ExpectedWrite>()

  constructor(source: Pick<Reflector, 'get' | 'onChange'>) {
    this.#source = source
    source.onChange((change) => this.#observe(change))
  }

  get size(): number {
    return this.#writes.size
  }

  /**
   * Expects the object that the API server returned for a write; `before` is the version that was read. The
   * watch may already have shown the write.
   */
  expect(written: KubeObject, before: KubeObject): void {
    const { uid = '' } = written.metadata
    const write = { version: versionOf(written), before: versionOf(before) }
    const shown = this.#source.get(keyOf(written))
    if (shown?.metadata.uid === uid && !shows(shown, write)) this.#writes.set(uid, write)
  }

  /** Whether the mirror shows the last write to an object, or its deletion. */
  isSatisfied({ metadata: { uid = '' } }: KubeObject): boolean {
    return !this.#writes.has(uid)
  }

  #observe(change: Change): void {
    const { uid = '' } = change.object.metadata
    const uidBefore = change.type === 'updated' ? change.before.metadata.uid : uid
    // Another object has this name now: the deletion was not seen, because it happened between two lists.
    if (uidBefore !== undefined && uidBefore !== uid) this.#writes.delete(uidBefore)
    const write = this.#writes.get(uid)
    if (write === undefined) return
    if (change.type === 'deleted' || shows(change.object, write)) this.#writes.delete(uid)
  }
}

/**
 * Whether an object includes a write. resourceVersions of one resource are increasing integers of any length
 * (KEP-5504). If a server uses others, accept any version except the one that was read, so that no wait is
 * endless.
 */
function shows(object: KubeObject, { version, before }: ExpectedWrite): boolean {
  const shown = versionOf(object)
  if (![shown, version].every((each) => /^[1-9][0-9]*$/.test(each))) return shown !== before
  return shown.length === version.length ? shown >= version : shown.length > version.length
}

function versionOf({ metadata: { resourceVersion = '' } }: KubeObject): string {
  return resourceVersion
}
