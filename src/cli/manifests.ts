import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import {
  apiVersionOf,
  llmInferenceService,
  llmInferenceServiceConfig,
  type Resource,
  resources,
} from '../kube/resources.ts'
import { isObject, type Json, type JsonObject, type KubeObject } from '../values/object.ts'
import { hasPlaceholder, quoted } from '../values/text.ts'
import { type ReadDocument, readDocuments } from './documents.ts'

/** Input that cannot be read: its place and the problem. */
export class ManifestError extends Error {
  readonly code = 'WG001'

  constructor(place: string, problem: string) {
    super(`${place}: ${problem}`)
  }
}

export interface Manifest {
  object: KubeObject
  /** Its first line, as `file:line`. */
  readonly place: string
  /** Where the value at a path begins; that of the nearest value above it if it has no place of its own. */
  placeAt?: (path: (string | number)[]) => string
}

export interface FileManifest extends Manifest {
  /** The place of the first line in its document that contains a string. */
  placeOf: (text: string) => string
}

/** The manifests in files. A document that cannot be read does not affect the others. */
export interface Manifests {
  manifests: FileManifest[]
  /** One line for each skipped document: not a Kubernetes object, or a version that is not served. */
  notes: string[]
  problems: ManifestError[]
}

type DocumentResult = { manifest: FileManifest } | { note: string } | { problem: ManifestError }

/** Reads manifests from files, folders (.yaml, .yml and .json, recursively) and `-` (standard input). */
export async function readManifests(paths: string[], stdin: NodeJS.ReadableStream): Promise<Manifests> {
  const found: DocumentResult[] = []
  for (const path of paths) {
    for await (const each of readPath(path, stdin)) found.push(each)
  }
  return collect(found)
}

function collect(found: DocumentResult[]): Manifests {
  return {
    manifests: found.flatMap((each) => ('manifest' in each ? [each.manifest] : [])),
    notes: found.flatMap((each) => ('note' in each ? [each.note] : [])),
    problems: found.flatMap((each) => ('problem' in each ? [each.problem] : [])),
  }
}

async function* readPath(path: string, stdin: NodeJS.ReadableStream): AsyncGenerator<DocumentResult> {
  if (path === '-') return yield* findObjects('<stdin>', decode(await buffer(stdin)))
  if (/^https?:\/\//.test(path))
    return yield { problem: new ManifestError(path, 'a URL: only files are read') }
  const files = await filesOf(path).catch((error: Error) => new ManifestError(path, readable(error)))
  if (files instanceof ManifestError) return yield { problem: files }
  for (const file of files) {
    const text = await readText(file)
    if (text instanceof ManifestError) yield { problem: text }
    else yield* findObjects(file, text)
  }
}

async function readText(file: string): Promise<string | ManifestError> {
  try {
    return decode(await readFile(file))
  } catch (error) {
    return new ManifestError(file, readable(error))
  }
}

async function filesOf(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path]
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory() && /\.(ya?ml|json)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
}

function readable(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && error.code === 'ENOENT' ? 'no such file' : error.message
}

/** Decodes by the byte order mark, as kubectl does; UTF-8 without one. */
function decode(bytes: Buffer): string {
  const [first, second] = bytes
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes)
  return new TextDecoder(first === 0xff && second === 0xfe ? 'utf-16le' : 'utf-8').decode(bytes)
}

/** The objects of a YAML stream or JSON text; Lists are expanded. Throws if a document cannot be read. */
export function parseManifests(file: string, text: string): FileManifest[] {
  const { manifests, problems } = scanManifests(file, text)
  if (problems[0] !== undefined) throw problems[0]
  return manifests
}

/** The same, with problems and skipped documents in the result. */
export function scanManifests(file: string, text: string): Manifests {
  return collect([...findObjects(file, text)])
}

function* findObjects(file: string, text: string): Generator<DocumentResult> {
  for (const document of readDocuments(text)) {
    if (!document.ok) yield { problem: new ManifestError(`${file}:${document.line}`, document.problem) }
    else if (document.value !== null) yield* objectsOf({ file, document, value: document.value, path: [] })
  }
}

/** Every kind that a plan reads, with its served groups and versions. */
const served = Map.groupBy(
  [
    ...Object.values(resources),
    ...(['v1alpha1', 'v1alpha2'] as const).flatMap((version) => [
      llmInferenceService(version),
      llmInferenceServiceConfig(version),
    ]),
  ] satisfies Resource[],
  ({ kind }) => kind,
)

interface ValuePlace {
  file: string
  document: ReadDocument
  value: Json
  path: (string | number)[]
}

function placeIn({ file, document, path }: ValuePlace, ...below: (string | number)[]): string {
  return `${file}:${document.lineOf([...path, ...below])}`
}

function passed(at: ValuePlace, what: string): DocumentResult {
  return { note: `${placeIn(at)}: skipped: ${what}` }
}

function failed(at: ValuePlace, problem: string, ...below: (string | number)[]): DocumentResult {
  return { problem: new ManifestError(placeIn(at, ...below), problem) }
}

function* objectsOf(at: ValuePlace): Generator<DocumentResult> {
  const { value } = at
  if (!isObject(value)) yield passed(at, 'not a Kubernetes object')
  else if (typeof value.kind !== 'string' || typeof value.apiVersion !== 'string')
    yield withoutKind(at, value)
  else if (value.kind.endsWith('List') && value.items !== undefined) yield* itemsOf(at, value)
  else yield objectOf(at, value, value.kind, value.apiVersion)
}

/** For documents without a kind, e.g. Helm values, a Chart.yaml, or input for a model. */
function withoutKind(at: ValuePlace, { apiVersion, kind }: JsonObject): DocumentResult {
  const missing = [
    ...(typeof apiVersion === 'string' ? [] : ['apiVersion']),
    ...(typeof kind === 'string' ? [] : ['kind']),
  ].join(' and ')
  return typeof kind === 'string' && served.has(kind)
    ? failed(at, `${kind} has no ${missing}`)
    : passed(at, `not a Kubernetes object: it has no ${missing}`)
}

/** The items of a list. In a typed list they need no kind (apimachinery v0.36.3, unstructured/helpers.go). */
function* itemsOf(at: ValuePlace, { apiVersion = null, kind, items }: JsonObject): Generator<DocumentResult> {
  const own = String(kind).slice(0, -'List'.length)
  if (items !== null && !Array.isArray(items)) {
    yield failed(at, `the items of ${String(kind)} are no list`, 'items')
    return
  }
  for (const [index, item] of (items ?? []).entries()) {
    const isNamed = isObject(item) && (item.kind !== undefined || item.apiVersion !== undefined)
    const value = isObject(item) && !isNamed && own !== '' ? { apiVersion, kind: own, ...item } : item
    if (isObject(item) && (isNamed || own !== ''))
      yield* objectsOf({ ...at, value, path: [...at.path, 'items', index] })
    else yield failed(at, `an item of ${String(kind)} is no Kubernetes object`, 'items', index)
  }
}

function objectOf(at: ValuePlace, object: JsonObject, kind: string, apiVersion: string): DocumentResult {
  if (hasPlaceholder(kind)) return failed(at, `kind is ${placeholderProblem}`, 'kind')
  if (hasPlaceholder(apiVersion)) return failed(at, `apiVersion is ${placeholderProblem}`, 'apiVersion')
  if (apiVersion.startsWith('kustomize.config.k8s.io/')) return passed(at, `${kind} of Kustomize`)
  const versions = served.get(kind)
  if (versions === undefined && !isObject(object.metadata))
    return passed(at, `not a Kubernetes object: ${quoted(kind)} without metadata`)
  if (versions !== undefined && !versions.some((version) => apiVersionOf(version) === apiVersion))
    return passed(at, notServed(kind, apiVersion, versions))
  const problem = versions === undefined ? undefined : metadataProblem(object)
  if (problem !== undefined) return failed(at, problem.message, ...problem.path)
  return { manifest: manifestOf(at, withoutNulls(object as KubeObject)) }
}

function manifestOf(at: ValuePlace, object: KubeObject): FileManifest {
  return {
    object,
    // Lazy, because few places are needed, and for JSON each needs another parse.
    get place() {
      return placeIn(at)
    },
    placeAt: (path) => placeIn(at, ...path),
    placeOf: (text) => {
      const line = at.document.lineWith(text)
      return line === undefined ? placeIn(at) : `${at.file}:${line}`
    },
  }
}

function notServed(kind: string, apiVersion: string, versions: Resource[]): string {
  const [{ group = '' } = {}] = versions
  const owner = owners[group] ?? 'the one that is read here'
  return `${kind} of ${quoted(apiVersion)} is not ${owner}, which is ${versions.map(apiVersionOf).join(' or ')}`
}

const owners: { [group: string]: string } = {
  '': "Kubernetes'",
  'serving.kserve.io': "KServe's",
  'data.fluid.io': "Fluid's",
  'warmgate.dev': "Warmgate's",
}

/**
 * Like the API server, drops null metadata fields, and reads a null label or annotation as an empty string.
 */
function withoutNulls(object: KubeObject): KubeObject {
  const present = Object.entries(object.metadata).filter(([, value]) => value !== null)
  const fields = present.map(([field, value]) => {
    const isMap = (field === 'labels' || field === 'annotations') && isObject(value)
    return [field, isMap ? withoutNullTexts(value) : value] as const
  })
  return { ...object, metadata: Object.fromEntries(fields) }
}

function withoutNullTexts(texts: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(texts).map(([key, value]) => [key, value ?? '']))
}

const placeholderProblem = "a template's placeholder, which has to be filled in first"

interface FieldProblem {
  path: string[]
  message: string
}

/** A metadata field that the API server would reject. */
function metadataProblem({ kind, metadata }: JsonObject): FieldProblem | undefined {
  if (!isObject(metadata)) return { path: [], message: `${String(kind)} has no metadata` }
  const { name, generateName } = metadata
  if ((name ?? generateName ?? null) === null)
    return { path: ['metadata'], message: `${String(kind)} has no name` }
  return (
    textProblem(metadata, ['name', 'generateName', 'namespace'], ['metadata']) ??
    mapProblem(metadata, 'labels') ??
    mapProblem(metadata, 'annotations')
  )
}

function textProblem(object: JsonObject, fields: string[], above: string[]): FieldProblem | undefined {
  const field = fields.find((each) => isUnusable(object[each]))
  if (field === undefined) return undefined
  const path = [...above, field]
  const value = object[field]
  if (typeof value === 'string') return { path, message: `${path.join('.')} is ${placeholderProblem}` }
  return { path, message: `${path.join('.')} is ${describe(value)}, and has to be a text: quote it` }
}

/** Whether a value is set, but is not a string or is a placeholder. Null counts as not set. */
function isUnusable(value: Json | undefined): boolean {
  if (value === undefined || value === null) return false
  return typeof value !== 'string' || hasPlaceholder(value)
}

function mapProblem(metadata: JsonObject, field: 'labels' | 'annotations'): FieldProblem | undefined {
  const map = metadata[field]
  if (map === undefined || map === null) return undefined
  if (!isObject(map)) return { path: ['metadata', field], message: `metadata.${field} is no map of texts` }
  const [key, value] = Object.entries(map).find(([, each]) => each !== null && typeof each !== 'string') ?? []
  if (key === undefined) return undefined
  return {
    path: ['metadata', field, key],
    message: `a value in metadata.${field} is ${describe(value)}, and has to be a text: quote it`,
  }
}

function describe(value: Json | undefined): string {
  if (Array.isArray(value)) return 'a list'
  return isObject(value)
    ? 'a map'
    : `the ${typeof value === 'number' ? 'number' : 'boolean'} ${String(value)}`
}
