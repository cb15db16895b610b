import { isDeepStrictEqual } from 'node:util'
import { applyPatch, type Operation } from 'fast-json-patch'
import {
  cloneJson,
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  keyOf,
  keyText,
  type ObjectKey,
  stringAt,
} from '../values/object.ts'
import type {
  KubeClient,
  KubeList,
  ListingOptions,
  ListOptions,
  LogOptions,
  PatchBody,
  Preconditions,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts'
import { hasStatus, KubeError } from './errors.ts'
import type { FakeReflector } from './reflector.fake.ts'
import type { Change } from './reflector.ts'
import { type Resource, resources } from './resources.ts'

/** One call. `text` is e.g. `list Pod`, `patch Pod/status llama-0` or `create Dataset llama dry run`. */
export interface FakeCall {
  text: string
  verb: string
  resource: Resource
  key: Partial<ObjectKey>
  /** The object or patch that was sent. */
  body?: Json
  preconditions?: Preconditions
  isDryRun: boolean
  /** Whether it changed the store. False for a refusal, a dry run, and a write without a change. */
  isWritten: boolean
}

type Intercept = (call: FakeCall) => unknown

/** A request to the fake admission, which may throw a `KubeError`, or return another object to store. */
export interface FakeAdmission {
  object: KubeObject
  before: KubeObject | undefined
  isDryRun: boolean
  warn: (text: string) => void
}

const reasons: { [status: number]: string } = {
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  422: 'Invalid',
  429: 'TooManyRequests',
}
/** The merge keys of the lists that Warmgate patches with a strategic merge. */
const mergeKeys: { [list: string]: string } = { conditions: 'type', schedulingGates: 'name' }

/**
 * An API server in memory, with the rules of the real one: resource versions, UIDs, conflicts, finalizers,
 * generations, the status subresource. Every kind has that subresource: a write of the object itself never
 * changes `status`.
 */
export class FakeApi implements KubeClient {
  /** Every call in order, including failed ones. */
  readonly calls: FakeCall[] = []
  /** Plurals of resources that are not installed: each call about one is a 404. */
  readonly missing = new Set<string>()
  /** The results of `discover`, by `group/version`. */
  readonly served = new Map<string, string[]>()
  /** What containers have printed, by name. */
  readonly outputs = new Map<string, string>()
  admit: (request: FakeAdmission) => KubeObject = ({ object }) => object
  /** Fields that throw when they are read from a response, by object. */
  readonly #odd = new Map<string, 'annotations' | 'status'>()
  readonly #now: () => number
  readonly #objects = new Map<string, KubeObject>()
  readonly #listeners = new Set<(change: Change) => void>()
  readonly #intercepts = new Map<Intercept, { call: string; times: number }>()
  #version = 0

  constructor({ now = () => Date.UTC(2030, 0, 1) }: { now?: () => number } = {}) {
    this.#now = now
  }

  /** The texts of the calls that changed the store. */
  get writes(): string[] {
    return this.calls.filter(({ isWritten }) => isWritten).map(({ text }) => text)
  }

  /**
   * Stores objects as another client would, including status, over objects with the same names. Keeps UIDs.
   */
  put(...objects: KubeObject[]): void {
    for (const object of objects) this.#store(object)
  }

  /** Another client's merge patch, including status. */
  edit(kind: string, key: ObjectKey, body: Json): void {
    this.#store(merged(this.#known(kind, key), body) as KubeObject)
  }

  /** Removes an object if it exists, as another client would, and ignores its finalizers. */
  drop(kind: string, key: ObjectKey): void {
    const object = this.#objects.get(idOf(kind, key))
    if (object !== undefined) this.#remove(object)
  }

  find(kind: string, key: ObjectKey): KubeObject | undefined {
    const found = this.#objects.get(idOf(kind, key))
    return found && this.#answer(found)
  }

  /** Every object of a kind, or of all kinds, sorted by namespace and name. */
  all(kind?: string): KubeObject[] {
    const found = [...this.#objects.values()].filter((object) => kind === undefined || object.kind === kind)
    return found
      .map((object) => this.#answer(object))
      .sort((a, b) => (keyText(keyOf(a)) < keyText(keyOf(b)) ? -1 : 1))
  }

  /** Makes a field of an object throw `odd` when it is read, to test that other objects are not affected. */
  spoil(kind: string, key: ObjectKey, field: 'annotations' | 'status'): void {
    this.#odd.set(idOf(kind, key), field)
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Makes a reflector follow a kind, starting with the stored objects. `reflector.pause()` makes it lag. */
  feed(kind: string, reflector: FakeReflector): void {
    reflector.put(...this.all(kind))
    this.onChange(({ type, object }) => {
      if (object.kind !== kind) return
      if (type === 'deleted') reflector.drop(keyOf(object))
      else reflector.put(object)
    })
  }

  /**
   * Runs before calls are answered; what it throws is their answer. `call` is the beginning of a call's text:
   * `patch`, `patch Pod` (with its subresources) or `patch Pod llama-0`. Empty for every call.
   */
  before(call: string, run: Intercept, times = Number.POSITIVE_INFINITY): () => void {
    const intercept: Intercept = (made) => run(made)
    this.#intercepts.set(intercept, { call, times })
    return () => this.#intercepts.delete(intercept)
  }

  /** Refuses the next such calls, or without `times` all of them until the returned function is called. */
  fail(call: string, status: number, times?: number): () => void {
    return this.before(call, ({ text }) => refuse(text, status, 'refused'), times)
  }

  /** Delays the next such call until `release`. `reached` resolves when the call is made. */
  hold(call: string): { reached: Promise<void>; release: () => void } {
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const wait = () => {
      reached.resolve()
      return released.promise
    }
    this.before(call, wait, 1)
    return { reached: reached.promise, release: released.resolve }
  }

  async get(resource: Resource, key: ObjectKey): Promise<KubeObject | undefined> {
    try {
      const { begun } = this.#begin('get', resource, key)
      if (begun !== undefined) await begun
      return this.find(resource.kind, key)
    } catch (error) {
      if (hasStatus(error, 404)) return undefined
      throw error
    }
  }

  async list(resource: Resource, options: ListingOptions = {}): Promise<KubeList> {
    const { begun } = this.#begin('list', resource, options.namespace ? { namespace: options.namespace } : {})
    if (begun !== undefined) await begun
    const { reduce = (object) => object, onStart } = options
    onStart?.()
    const found = this.all(resource.kind).filter((object) => isSelected(object, options))
    return { items: found.flatMap((object) => reduce(object) ?? []), resourceVersion: `${this.#version}` }
  }

  async create(resource: Resource, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const { call, begun } = this.#begin('create', resource, keyOf(object), { body: object, options })
    if (begun !== undefined) await begun
    if (options.subresource === 'eviction') {
      this.#delete(call, this.#mustFind(call))
      return object
    }
    const { generateName = '', ...metadata } = object.metadata
    const name = metadata.name ?? `${generateName}${(this.#version + 1).toString(36).padStart(5, '0')}`
    if (this.#objects.has(idOf(resource.kind, { ...metadata, name })))
      refuse(call.text, 409, 'already exists', 'AlreadyExists')
    const created = { name, uid: crypto.randomUUID(), creationTimestamp: timestamp(this.#now()) }
    const { status: _, ...rest } = object
    return this.#write(call, { ...rest, metadata: { ...object.metadata, ...created } } as KubeObject, options)
  }

  async replace(resource: Resource, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const { call, begun } = this.#begin('replace', resource, keyOf(object), { body: object, options })
    if (begun !== undefined) await begun
    const before = this.#mustFind(call)
    const { uid = before.metadata.uid, resourceVersion } = object.metadata
    if (resourceVersion === undefined) refuse(call.text, 422, 'metadata.resourceVersion: must be specified')
    // A PUT has the UID that it names as a precondition; in a patch it is an immutable field.
    if (uid !== before.metadata.uid) refuse(call.text, 409, 'Precondition failed: UID')
    return this.#update(call, before, object, options)
  }

  /** A merge: fields that an earlier apply set, and this one leaves out, stay. */
  async apply(resource: Resource, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const { call, begun } = this.#begin('apply', resource, keyOf(object), { body: object, options })
    if (begun !== undefined) await begun
    const before = this.#objects.get(idOf(resource.kind, keyOf(object)))
    if (before !== undefined) return this.#update(call, before, merged(before, object) as KubeObject, options)
    const created = { uid: crypto.randomUUID(), creationTimestamp: timestamp(this.#now()) }
    return this.#write(call, { ...object, metadata: { ...object.metadata, ...created } }, options)
  }

  async patch(
    resource: Resource,
    key: ObjectKey,
    { type, body }: PatchBody,
    options: WriteOptions = {},
  ): Promise<KubeObject> {
    const { call, begun } = this.#begin('patch', resource, key, { body, options })
    if (begun !== undefined) await begun
    const before = this.#mustFind(call)
    const after = type === 'json' ? patchedByJson(call, before, body) : merged(before, body, type)
    return this.#update(call, before, after as KubeObject, options)
  }

  async delete(resource: Resource, key: ObjectKey, preconditions: Preconditions = {}): Promise<boolean> {
    const { call, begun } = this.#begin('delete', resource, key, { preconditions })
    try {
      if (begun !== undefined) await begun
      const { metadata } = this.#mustFind(call)
      const { uid = metadata.uid, resourceVersion = metadata.resourceVersion } = preconditions
      if (uid !== metadata.uid || resourceVersion !== metadata.resourceVersion) return false
      this.#delete(call, this.#mustFind(call))
      return true
    } catch (error) {
      if (hasStatus(error, 404, ...(Object.keys(preconditions).length > 0 ? [409] : []))) return false
      throw error
    }
  }

  /** Reports changes after the call, and ignores its `resourceVersion`. */
  async *watch(resource: Resource, options: WatchOptions): AsyncGenerator<WatchEvent> {
    const events: WatchEvent[] = []
    let wake = Promise.withResolvers<void>()
    options.signal.addEventListener('abort', () => wake.resolve())
    const types = { added: 'ADDED', updated: 'MODIFIED', deleted: 'DELETED' } as const
    const stop = this.onChange(({ type, object }) => {
      if (object.kind !== resource.kind || !isSelected(object, options)) return
      events.push({ type: types[type], object: cloneJson(object) })
      wake.resolve()
    })
    try {
      const { begun } = this.#begin('watch', resource, {})
      if (begun !== undefined) await begun
      while (!options.signal.aborted) {
        yield* events.splice(0)
        await wake.promise
        wake = Promise.withResolvers()
      }
    } finally {
      stop()
    }
  }

  async logs(key: ObjectKey, { container }: LogOptions): Promise<string> {
    const { call, begun } = this.#begin('get logs', resources.pod, key)
    if (begun !== undefined) await begun
    this.#mustFind(call)
    return this.outputs.get(container) ?? ''
  }

  async discover(group: string, version: string): Promise<string[]> {
    return this.served.get(`${group}/${version}`) ?? []
  }

  /** Records a call. Without a promise from an intercept, `begun` is undefined: it is decided at once. */
  #begin(
    verb: string,
    resource: Resource,
    key: Partial<ObjectKey>,
    sent: { body?: Json; preconditions?: Preconditions; options?: WriteOptions } = {},
  ): { call: FakeCall; begun: Promise<unknown> | undefined } {
    const { options: { subresource, dryRun: isDryRun = false } = {}, ...rest } = sent
    const kind = subresource === undefined ? resource.kind : `${resource.kind}/${subresource}`
    const text = [verb, kind, ...(key.name ? [key.name] : []), ...(isDryRun ? ['dry run'] : [])].join(' ')
    const call = { text, verb, resource, key, ...cloneJson(rest), isDryRun, isWritten: false }
    this.calls.push(call)
    if (this.missing.has(resource.plural)) refuse(text, 404, 'the server could not find the resource')
    const waits: unknown[] = []
    for (const [run, intercept] of this.#intercepts) {
      if (!isAbout(text, intercept.call)) continue
      intercept.times -= 1
      if (intercept.times <= 0) this.#intercepts.delete(run)
      waits.push(run(call))
    }
    const pending = waits.filter((wait) => wait instanceof Promise)
    return { call, begun: pending.length === 0 ? undefined : Promise.all(pending) }
  }

  #answer(stored: KubeObject): KubeObject {
    const object = cloneJson(stored)
    const field = this.#odd.get(idOf(object.kind, keyOf(object)))
    const get = () => {
      throw new Error('odd')
    }
    if (field !== undefined)
      Object.defineProperty(field === 'status' ? object : object.metadata, field, { enumerable: true, get })
    return object
  }

  #known(kind: string, key: ObjectKey): KubeObject {
    const found = this.#objects.get(idOf(kind, key))
    if (found === undefined) throw new Error(`there is no ${kind} ${keyText(key)}`)
    return found
  }

  #mustFind({ text, resource, key }: FakeCall): KubeObject {
    return this.#objects.get(idOf(resource.kind, key)) ?? refuse(text, 404, 'not found')
  }

  /** Writes an object if the stored one still has the version that the call names. */
  #update(call: FakeCall, before: KubeObject, asked: KubeObject, options: WriteOptions): KubeObject {
    const { uid, resourceVersion, generation, creationTimestamp, deletionTimestamp } = before.metadata
    if ((asked.metadata.resourceVersion ?? resourceVersion) !== resourceVersion)
      refuse(call.text, 409, 'the object has been modified')
    if ((asked.metadata.uid ?? uid) !== uid) refuse(call.text, 422, 'metadata.uid: field is immutable')
    const server = { uid, resourceVersion, generation, creationTimestamp, deletionTimestamp }
    const { status: _, ...rest } = options.subresource === 'status' ? before : asked
    const { status } = options.subresource === 'status' ? asked : before
    const metadata = { ...rest.metadata, ...server }
    return this.#write(call, { ...rest, metadata, status } as KubeObject, options, before)
  }

  #write(call: FakeCall, asked: KubeObject, options: WriteOptions, before?: KubeObject): KubeObject {
    const { isDryRun } = call
    const warn = (text: string) => options.onWarning?.(text)
    const object = cloneJson(
      this.admit({ object: cloneJson(asked), before: before && cloneJson(before), isDryRun, warn }),
    )
    if (isDryRun || (before !== undefined && isDeepStrictEqual(before, object))) return object
    call.isWritten = true
    const { finalizers = [], deletionTimestamp } = object.metadata
    if (deletionTimestamp === undefined || finalizers.length > 0) return cloneJson(this.#store(object))
    this.#remove(object)
    return object
  }

  #delete(call: FakeCall, object: KubeObject): void {
    if (call.isDryRun) return
    call.isWritten = true
    const { metadata } = object
    if ((metadata.finalizers ?? []).length === 0) this.#remove(object)
    else if (metadata.deletionTimestamp === undefined)
      this.#store({ ...object, metadata: { ...metadata, deletionTimestamp: timestamp(this.#now()) } })
  }

  #store(given: KubeObject): KubeObject {
    this.#version += 1
    const object = cloneJson(given)
    const id = idOf(object.kind, keyOf(object))
    const before = this.#objects.get(id)
    const { uid = before?.metadata.uid ?? crypto.randomUUID(), generation = 0 } = object.metadata
    Object.assign(object.metadata, { uid, resourceVersion: `${this.#version}` })
    if (object.spec !== undefined && !isDeepStrictEqual(before?.spec, object.spec))
      object.metadata.generation = generation + 1
    this.#objects.set(id, object)
    this.#tell(before === undefined ? { type: 'added', object } : { type: 'updated', object, before })
    return object
  }

  #remove(object: KubeObject): void {
    this.#version += 1
    this.#objects.delete(idOf(object.kind, keyOf(object)))
    this.#tell({ type: 'deleted', object })
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change)
  }
}

function refuse(call: string, status: number, message: string, reason = reasons[status] ?? ''): never {
  throw new KubeError(call, { status, reason, message })
}

function idOf(kind: string, { namespace = '', name = '' }: Partial<ObjectKey>): string {
  return `${kind} ${namespace}/${name}`
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

function isAbout(text: string, beginning: string): boolean {
  return beginning === '' || (text.startsWith(beginning) && /^($|[ /])/.test(text.slice(beginning.length)))
}

/** RFC 7386; a strategic merge also merges the lists that have a merge key. */
function merged(before: Json | undefined, patch: Json, type: 'merge' | 'strategic' = 'merge'): Json {
  if (!isObject(patch)) return patch
  const after: JsonObject = isObject(before) ? { ...before } : {}
  for (const [field, value] of Object.entries(patch)) {
    const [mergeKey, present = []] = [mergeKeys[field], after[field]]
    if (value === null || value === undefined) delete after[field]
    else if (type === 'strategic' && mergeKey && Array.isArray(value) && Array.isArray(present))
      after[field] = mergedList(present, value, mergeKey)
    else after[field] = merged(after[field], value, type)
  }
  return after
}

function mergedList(present: Json[], patches: Json[], mergeKey: string): Json[] {
  const list = [...present]
  for (const patch of patches) {
    const index = list.findIndex((item) => stringAt(item, mergeKey) === stringAt(patch, mergeKey))
    if (stringAt(patch, '$patch') === 'delete') list.splice(index, index < 0 ? 0 : 1)
    else if (index < 0) list.push(patch)
    else list[index] = merged(list[index], patch, 'strategic')
  }
  return list
}

function patchedByJson({ text }: FakeCall, before: KubeObject, body: Json): Json {
  try {
    return applyPatch<Json>(cloneJson(before), body as unknown as Operation[], true).newDocument
  } catch {
    // Its own message repeats the whole object.
    return refuse(text, 422, 'the patch does not apply')
  }
}

function isSelected(object: KubeObject, { namespace, labelSelector, fieldSelector }: ListOptions): boolean {
  const { labels = {}, name } = object.metadata
  const terms = labelSelector === undefined ? [] : labelSelector.split(',')
  return (
    (namespace === undefined || object.metadata.namespace === namespace) &&
    (fieldSelector === undefined || fieldSelector === `metadata.name=${name}`) &&
    terms.every((term) => isLabelled(labels, term))
  )
}

/** One term of a label selector: `a=b`, `a!=b`, `a` or `!a`. */
function isLabelled(labels: { [key: string]: string }, term: string): boolean {
  const [, not = '', key = '', , operator = '', value = ''] =
    /^(!?)([^!=]+)((!?=)=?(.*))?$/.exec(term.trim()) ?? []
  if (key === '') throw new Error(`cannot read the label selector ${term}`)
  if (operator === '') return Object.hasOwn(labels, key) === (not === '')
  return (labels[key] === value) === (operator === '=')
}
