import { type Document, LineCounter, parseAllDocuments } from 'yaml'
import type { Json } from '../values/object.ts'
import { hasPlaceholder } from '../values/text.ts'
import { toJson, YamlProblem } from './go-yaml.ts'

type Path = (string | number)[]

/** A document of a file: its value, or a problem. Line numbers start at 1 and count in the whole file. */
export type FileDocument = ReadDocument | { ok: false; line: number; problem: string }

export interface ReadDocument {
  ok: true
  value: Json
  /** The line of the value at a path, or of its nearest ancestor with a known line. */
  lineOf: (path: Path) => number
  /** The first line that contains a string; undefined if no line does. */
  lineWith: (text: string) => number | undefined
}

/** A part of a file that may be one document. */
interface DocumentPart {
  text: string
  /** Offset of its first character in the file. */
  start: number
}

/**
 * The documents of a file as kubectl reads them: a stream of JSON objects, or YAML between lines of `---`. A
 * document that cannot be read does not affect the others. Source: k8s.io/apimachinery v0.36.3,
 * pkg/util/yaml/decoder.go.
 */
export function* readDocuments(text: string): Generator<FileDocument> {
  const lines = countLines(text)
  const json = text.trimStart().startsWith('{') ? jsonObjects(text) : { documents: [], end: 0 }
  for (const { value, part } of json.documents) yield read(part, value, lines)
  const rest = text.slice(json.end)
  if (json.documents.length > 1 && rest.trim() !== '') {
    const at = json.end + (rest.length - rest.trimStart().length)
    yield {
      ok: false,
      line: lineAt(lines, at),
      problem: 'the text after the JSON objects is not a JSON object',
    }
    return
  }
  for (const part of yamlParts(text, json.end)) yield* readPart(part, lines)
}

function countLines(text: string): LineCounter {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) lines.addNewLine(end + 1)
  return lines
}

function lineAt(lines: LineCounter, offset: number): number {
  return lines.linePos(offset).line
}

/** The JSON objects at the start of a text, and the offset after them. */
function jsonObjects(text: string): { documents: { value: Json; part: DocumentPart }[]; end: number } {
  const documents: { value: Json; part: DocumentPart }[] = []
  let end = 0
  for (let next = jsonObject(text, 0); next !== undefined; next = jsonObject(text, end)) {
    documents.push(next)
    end = next.part.start + next.part.text.length
  }
  return { documents, end }
}

/** The maximum nesting, because recursive functions print the values. Services may have 100 levels. */
const mostDepth = 500

function jsonObject(text: string, from: number): { value: Json; part: DocumentPart } | undefined {
  const start = skipCharacters(text, from, ' \t\r\n')
  const range = text[start] === '{' ? rangeOf(text, start) : undefined
  // The YAML reader refuses deeper nesting with a message.
  if (range === undefined || range.deepest > mostDepth) return undefined
  const part = { text: text.slice(start, range.end), start }
  try {
    return { value: JSON.parse(part.text) as Json, part }
  } catch {
    return undefined
  }
}

function skipCharacters(text: string, from: number, skipped: string): number {
  let at = from
  while (at < text.length && skipped.includes(text.charAt(at))) at += 1
  return at
}

/** The end and the nesting depth of the object at an offset. Only counts brackets. */
function rangeOf(text: string, start: number): { end: number; deepest: number } | undefined {
  let [depth, deepest] = [0, 0]
  for (let at = start; at < text.length; at += 1) {
    const character = text[at]
    if (character === '"') at = endOfText(text, at)
    else if (character === '{' || character === '[') depth += 1
    else if (character === '}' || character === ']') depth -= 1
    deepest = Math.max(deepest, depth)
    if (depth === 0) return { end: at + 1, deepest }
  }
  return undefined
}

/** The offset of the closing quote for the quote at `start`. */
function endOfText(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

type YamlPart = DocumentPart & { separator?: string }

/** The parts between lines that start with `---`. kubectl allows only a comment on such a line. */
function* yamlParts(text: string, from: number): Generator<YamlPart> {
  let start = from
  let separator = ''
  for (let at = from; at < text.length; ) {
    const next = text.indexOf('\n', at) + 1
    const end = next === 0 ? text.length : next
    if (text.startsWith('---', at) && (at === 0 || text[at - 1] === '\n')) {
      yield { text: text.slice(start, at), start, separator }
      separator = text.slice(at + 3, end).trim()
      start = end
    }
    at = end
  }
  yield { text: text.slice(start), start, separator }
}

function* readPart({ text, start, separator = '' }: YamlPart, lines: LineCounter): Generator<FileDocument> {
  if (separator !== '' && !separator.startsWith('#')) {
    const line = lineAt(lines, Math.max(start - 1, 0))
    yield { ok: false, line, problem: `--- has to be alone on its line${templateIn(separator)}` }
    return
  }
  // In concatenated files, each file may start with a byte order mark.
  const part = text.startsWith('\ufeff') ? { text: text.slice(1), start: start + 1 } : { text, start }
  const found = readYaml(part, lines)
  if (found !== undefined) yield found
}

// The characters that go-yaml refuses: yaml_parser_update_buffer in readerc.go.
// biome-ignore lint/suspicious/noControlCharactersInRegex: finds control characters.
const control = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]/

function readYaml(part: DocumentPart, lines: LineCounter): FileDocument | undefined {
  const fail = (offset: number, problem: string): FileDocument => ({
    ok: false,
    line: lineAt(lines, part.start + Math.min(offset, part.text.length)),
    problem: withTemplate(problem, part.text, offset),
  })
  const offset = part.text.search(control)
  if (offset !== -1) return fail(offset, 'a control character')
  try {
    const document = parse(part.text)
    if (document === undefined)
      return /^%/m.test(part.text) ? fail(0, 'a directive, which kubectl does not read') : undefined
    const [error] = document.errors
    if (error !== undefined) return fail(error.pos[0], summary(error.message))
    return read(part, toJson(document.contents), lines, document)
  } catch (error) {
    if (error instanceof YamlProblem) return fail(error.offset ?? 0, error.message)
    if (error instanceof RangeError) return fail(0, 'nested too deeply')
    throw error
  }
}

/** Parses a part; scalars stay strings as written. Undefined for a part without content. */
function parse(text: string): Document | undefined {
  const [document] = parseAllDocuments(text, {
    schema: 'failsafe',
    merge: false,
    resolveKnownTags: false,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  return document
}

/** The error without the quoted content of the file, which may be a Secret. */
function summary(message: string): string {
  if (message.startsWith('Maximum call stack')) return 'nested too deeply'
  return message.replace(/(: | at line \d+, column |\n).*$/s, '')
}

function templateIn(text: string): string {
  return hasPlaceholder(text) ? ', and this is a template: fill it in first' : ''
}

/** Adds a hint if the document is an unrendered template, which often is not valid YAML. */
function withTemplate(problem: string, text: string, offset: number): string {
  const start = text.lastIndexOf('\n', Math.max(offset - 1, 0)) + 1
  const end = text.indexOf('\n', offset)
  const line = text.slice(start, end === -1 ? text.length : end)
  const isTemplate = hasPlaceholder(line) || /^[ \t]*\{\{/m.test(text)
  return isTemplate ? `a template, which has to be filled in first (${problem})` : problem
}

function read(part: DocumentPart, value: Json, lines: LineCounter, parsed?: Document): ReadDocument {
  let document = parsed
  return {
    ok: true,
    value,
    lineOf: (path) => {
      // JSON is parsed as YAML only to find the lines of nested values.
      if (path.length === 0 && document === undefined) return lineAt(lines, part.start)
      document ??= parse(part.text)
      return lineAt(lines, part.start + (document === undefined ? 0 : offsetOf(document, path)))
    },
    lineWith: (text) => {
      const at = part.text.indexOf(text)
      return at === -1 ? undefined : lineAt(lines, part.start + at)
    },
  }
}

function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true)
    const start = (node as { range?: [number, number, number] } | undefined)?.range?.[0]
    if (start !== undefined) return start
  }
  return document.contents?.range?.[0] ?? 0
}
