import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { LineCounter, parseAllDocuments } from 'yaml'
import { isObject, type KubeObject } from '../values/object.ts'

/** Input that cannot be read: where it stands, and what is wrong with it. */
export class ManifestError extends Error {
  readonly code = 'WG001'

  constructor(place: string, problem: string) {
    super(`${place}: ${problem}`)
  }
}

/** An object of a file, and where it begins, as `file:line`. */
export interface Manifest {
  object: KubeObject
  place: string
}

/** Reads manifests from files, folders (their .yaml, .yml and .json, all levels) and `-`, standard input. */
export async function readManifests(paths: string[], stdin: NodeJS.ReadableStream): Promise<Manifest[]> {
  const manifests: Manifest[] = []
  for (const path of paths) {
    if (path === '-') manifests.push(...parseManifests('<stdin>', await readAll(stdin)))
    else for (const file of await filesOf(path)) manifests.push(...parseManifests(file, await readText(file)))
  }
  return manifests
}

async function filesOf(path: string): Promise<string[]> {
  const found = await stat(path).catch((error: Error) => {
    throw new ManifestError(path, readable(error))
  })
  if (!found.isDirectory()) return [path]
  const names = await readdir(path, { recursive: true })
  return names
    .filter((name) => /\.(ya?ml|json)$/.test(name))
    .toSorted()
    .map((name) => join(path, name))
}

async function readText(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((error: Error) => {
    throw new ManifestError(file, readable(error))
  })
}

function readable(error: Error): string {
  return 'code' in error && error.code === 'ENOENT' ? 'no such file' : error.message
}

/** The objects of a YAML stream or JSON text, Lists taken apart. */
export function parseManifests(file: string, text: string): Manifest[] {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines })
  const manifests: Manifest[] = []
  for (const document of Array.isArray(documents) ? documents : []) {
    const problem = document.errors[0]
    if (problem !== undefined) {
      throw new ManifestError(`${file}:${lines.linePos(problem.pos[0]).line}`, summary(problem.message))
    }
    const start = document.contents?.range?.[0] ?? document.range?.[0] ?? 0
    const place = `${file}:${lines.linePos(start).line}`
    const value: unknown = toValue(document, place)
    if (value !== null) manifests.push(...toObjects(value, place))
  }
  return manifests
}

function toValue(document: { toJS: () => unknown }, place: string): unknown {
  try {
    // What aliases share is one object to YAML, and several to Kubernetes: a plan edits one of them.
    return JSON.parse(JSON.stringify(document.toJS() ?? null))
  } catch (error) {
    // An alias without an anchor, of itself, or a bomb of aliases.
    throw new ManifestError(place, summary(error instanceof Error ? error.message : String(error)))
  }
}

/** What is wrong, without the text that follows: it is the file's own, and may be of a Secret. */
function summary(message: string): string {
  return message.replace(/(: | at line \d+, column |\n).*$/s, '')
}

function toObjects(value: unknown, place: string): Manifest[] {
  if (!isObject(value) || typeof value.apiVersion !== 'string' || typeof value.kind !== 'string') {
    throw new ManifestError(place, 'not a Kubernetes object: apiVersion and kind are needed')
  }
  if (value.kind.endsWith('List') && Array.isArray(value.items)) {
    return value.items.flatMap((item) => toObjects(item, place))
  }
  if (!isObject(value.metadata)) throw new ManifestError(place, `${value.kind} has no metadata`)
  return [{ object: value as KubeObject, place }]
}
