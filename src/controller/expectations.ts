import type { Change, Reflector } from '../kube/reflector.ts'
import { type KubeObject, keyOf } from '../values/object.ts'

/** The resourceVersions after and before a write. */
interface Write {
  version: string
  before: string
}

/**
 * The objects that the controller wrote and the mirror does not show yet, by UID. Until then their copies in the
 * mirror are out of date, and nothing is decided on them that must happen once. How long a watch lags is never
 * guessed.
 */
export class Expectations {
  readonly #source: Pick<Reflector, 'get' | 'onChange'>
  /** By UID. */
  readonly #writes = new Map<string, Write>()

  constructor(source: Pick<Reflector, 'get' | 'onChange'>) {
    this.#source = source
    source.onChange((change) => this.#observe(change))
  }

  get size(): number {
    return this.#writes.size
  }

  /**
   * Expects an object as the API server answered its write; `before` is what was decided on. The watch may have shown
   * the write before that answer came.
   */
  expect(written: KubeObject, before: KubeObject): void {
    const { uid = '' } = written.metadata
    const write = { version: versionOf(written), before: versionOf(before) }
    const shown = this.#source.get(keyOf(written))
    if (shown?.metadata.uid === uid && !shows(shown, write)) this.#writes.set(uid, write)
  }

  /** Whether the mirror shows what was last written on an object, or that it is gone. */
  isSatisfied({ metadata: { uid = '' } }: KubeObject): boolean {
    return !this.#writes.has(uid)
  }

  #observe(change: Change): void {
    const { uid = '' } = change.object.metadata
    const uidBefore = change.type === 'updated' ? change.before.metadata.uid : uid
    // Another object has its name: the deletion fell between two lists.
    if (uidBefore !== undefined && uidBefore !== uid) this.#writes.delete(uidBefore)
    const write = this.#writes.get(uid)
    if (write === undefined) return
    if (change.type === 'deleted' || shows(change.object, write)) this.#writes.delete(uid)
  }
}

/**
 * Whether an object is as new as a write. Versions of one resource are growing whole numbers of any length (KEP-5504).
 * If a server has others, any version but the one that was decided on counts, so that nothing waits for ever.
 */
function shows(object: KubeObject, { version, before }: Write): boolean {
  const shown = versionOf(object)
  if (![shown, version].every((each) => /^[1-9][0-9]*$/.test(each))) return shown !== before
  return shown.length === version.length ? shown >= version : shown.length > version.length
}

function versionOf({ metadata: { resourceVersion = '' } }: KubeObject): string {
  return resourceVersion
}
