import { createTwoFilesPatch } from 'diff'
import { Document, visit } from 'yaml'
import { isReferenceTo } from '../fluid/reference.ts'
import { findModelLocations } from '../kserve/location.ts'
import { type Plan, plan, siblingsOf } from '../plan/plan.ts'
import { readOriginal } from '../plan/service/original.ts'
import type { LabelSelector } from '../policy/schema.ts'
import { matchesSelector } from '../policy/selector.ts'
import { goDuration } from '../values/duration.ts'
import { cacheWarmGate, originalAnnotation } from '../values/keys.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { hasPlaceholder, printable, printableLines, printableYaml } from '../values/text.ts'
import { plainScalar } from './go-yaml.ts'
import { isNamespaced, ManifestFacts } from './manifest-facts.ts'
import {
  type FileManifest,
  type Manifest,
  ManifestError,
  type Manifests,
  readManifests,
} from './manifests.ts'
import type { Streams } from './terminal.ts'

export const planFormats = ['yaml', 'json', 'diff'] as const
export type PlanFormat = (typeof planFormats)[number]

export interface PlanOptions {
  files: string[]
  /** Policies to try. They replace policies with the same name. */
  policyFiles?: string[]
  output: PlanFormat
  /** The namespace of manifests that name none. */
  namespace?: string | undefined
  selector?: LabelSelector | undefined
  /** Which decisions are a failure: those that deny, or those that skip as well. */
  failOn?: FailOn
}

export const failures = ['deny', 'skip'] as const
export type FailOn = (typeof failures)[number]

export interface PlannedService {
  before: KubeObject
  namespace: string
  plan: Plan
  /** What is assumed about this service, because the files do not say it. */
  assumed: string[]
}

/**
 * `warmgate plan`: prints what would be admitted and created, from files only. Resolves with the exit status:
 * 2 if a file cannot be read (the rest is still printed), 1 if a service would be denied, or skipped with `failOn`.
 */
export async function runPlan(
  { files, policyFiles = [], output, namespace, selector = {}, failOn = 'deny' }: PlanOptions,
  streams: Streams,
): Promise<0 | 1 | 2> {
  const candidates = await readPolicies(policyFiles, streams)
  const read = await readManifests(files, streams.stdin)
  const manifests = withPolicies(read.manifests, candidates.manifests).map(inNamespace(namespace))
  const services = manifests.filter(
    ({ object }) => isService(object) && matchesSelector(selector, object.metadata.labels ?? {}),
  )
  const offline = new ManifestFacts(manifests)
  const planned = services.map(({ object }) => planService(object, offline))
  const assumed = offline.assumptionsFor(services.map(({ object }) => object))
  streams.stdout.write(render[output]({ planned, assumed }))
  const notes = [...candidates.notes, ...read.notes, ...services.flatMap(placeholderNotes)]
  const nothing = services.length === 0 && read.problems.length === 0 ? [nothingPlanned] : []
  const isUnread = printNotes({ notes: [...notes, ...nothing], problems: read.problems }, streams)
  if (isUnread) return 2
  return planned.some(({ plan: made }) => isFailure(made, failOn)) ? 1 : 0
}

/**
 * Reads the policies to try. Throws a ManifestError for the first file that cannot be read, and if there is no policy:
 * what follows would be decided by other policies than the user means.
 */
export async function readPolicies(files: string[], { stdin }: Pick<Streams, 'stdin'>): Promise<Manifests> {
  const read = await readManifests(files, stdin)
  if (read.problems[0] !== undefined) throw read.problems[0]
  const isPolicy = ({ object }: FileManifest) => object.kind === 'AccelerationPolicy'
  if (files.length > 0 && !read.manifests.some(isPolicy))
    throw new ManifestError(files.join(', '), 'there is no AccelerationPolicy')
  return read
}

const nothingPlanned =
  'nothing is planned: no InferenceService or LLMInferenceService in these files is selected'

function isFailure({ decision, reason }: Plan, failOn: FailOn): boolean {
  return decision === 'deny' || (failOn === 'skip' && decision === 'skip' && reason !== 'AlreadyCached')
}

/** Puts a manifest without a namespace into this one, as kubectl does. */
function inNamespace(namespace: string | undefined): (manifest: FileManifest) => FileManifest {
  return (manifest) => {
    const { object } = manifest
    if (namespace === undefined || !isNamespaced(object) || object.metadata.namespace !== undefined)
      return manifest
    return { ...manifest, object: { ...object, metadata: { ...object.metadata, namespace } } }
  }
}

/** Prints skipped documents and problems. Returns whether there are problems. */
export function printNotes(
  { notes, problems }: Pick<Manifests, 'notes' | 'problems'>,
  { stderr }: Pick<Streams, 'stderr'>,
): boolean {
  const lines = [...notes, ...problems.map(({ code, message }) => `${code}: ${message}`)]
  for (const line of lines) stderr.write(`warmgate: ${printable(line)}\n`)
  return problems.length > 0
}

/** The manifests, with policies replaced by candidates of the same name. */
export function withPolicies<T extends Manifest>(manifests: T[], candidates: T[]): T[] {
  const policies = candidates.filter(isPolicy)
  const names = new Set(policies.map(({ object }) => object.metadata.name))
  const kept = manifests.filter((each) => !isPolicy(each) || !names.has(each.object.metadata.name))
  return [...kept, ...policies]
}

const isPolicy = ({ object }: Manifest) => object.kind === 'AccelerationPolicy'

export function isService({ kind }: KubeObject): boolean {
  return kind === 'InferenceService' || kind === 'LLMInferenceService'
}

export function planService(service: KubeObject, offline: ManifestFacts): PlannedService {
  const facts = offline.factsFor(service)
  // Trust the record of a manifest that was admitted before, as for a stored service.
  const admitted = readOriginal(service) === undefined ? {} : { previous: service }
  const made = plan({ service, facts, ...admitted })
  return {
    before: service,
    namespace: facts.namespace,
    plan: made,
    assumed: [...offline.warningsFor(service), ...referenceWarnings(made)],
  }
}

/** Notes with the file and line of placeholder URIs, which the plan skips with `UnsafeUri`. */
function placeholderNotes({ object, placeOf }: FileManifest): string[] {
  const uris = findModelLocations(object).locations.flatMap(({ model }) =>
    model.kind === 'uri' && hasPlaceholder(model.uri) ? [model.uri] : [],
  )
  return uris.map((uri) => `${placeOf(uri)}: the model URI is a template's placeholder: fill it in first`)
}

/** A manifest as YAML. Quotes strings with control characters, because only quoted strings have escapes. */
export function toText(object: KubeObject): string {
  // Print shared objects twice instead of with an alias.
  const document = new Document(object, { aliasDuplicateObjects: false, compat: 'yaml-1.1' })
  visit(document, {
    Scalar(_, node) {
      const { value } = node
      if (typeof value !== 'string') return
      // Lone surrogates cannot be encoded.
      node.value = value.toWellFormed()
      if (needsQuotes(value)) node.type = 'QUOTE_DOUBLE'
    },
  })
  return printableYaml(document.toString())
}

/** Whether kubectl, which reads YAML 1.1, would read an unquoted string as another value. */
function needsQuotes(text: string): boolean {
  return printableLines(text) !== text || plainScalar(text) !== text || ['=', '<<'].includes(text)
}

interface Plans {
  planned: PlannedService[]
  /** What is taken for granted for all of them. */
  assumed: string[]
}

const render: Record<PlanFormat, (plans: Plans) => string> = {
  json: ({ planned }) => printableLines(`${JSON.stringify(planned.map(toJson), null, 2)}\n`),
  yaml: (plans) => `${plans.planned.map(toYaml).join('')}${assumptions(plans)}`,
  diff: (plans) => `${plans.planned.map(toDiff).join('')}${assumptions(plans)}`,
}

/** Each assumption once, whatever the number of services that it is made for. */
function assumptions({ planned, assumed }: Plans): string {
  if (planned.length === 0) return ''
  const general = `assumed, because the files do not say it: ${assumed.join('; ')}`
  return comments([general, ...new Set(planned.flatMap((each) => each.assumed))])
}

function comments(lines: readonly string[]): string {
  return lines.map((line) => `# ${printable(line)}\n`).join('')
}

function toJson(planned: PlannedService): JsonObject {
  const { before, namespace, plan: made } = planned
  const hold = made.hold
  return {
    kind: before.kind,
    namespace,
    name: before.metadata.name ?? '',
    decision: made.decision,
    reason: made.reason,
    message: made.message,
    policy: made.policy ?? null,
    service: made.service,
    siblings: siblingsOf(made),
    hold: hold === undefined ? null : { at: hold.at, timeout: goDuration(hold.timeoutMs) },
    warnings: [...made.warnings, ...planned.assumed],
  }
}

function toYaml(planned: PlannedService): string {
  const { plan: made } = planned
  const documents = [made.service, ...siblingsOf(made)].map((object) => `---\n${toText(object)}`)
  return `${comments(headOf(planned))}${documents.join('')}`
}

/** What is decided, which pods wait, and what a user would be warned of. */
function headOf(planned: PlannedService): string[] {
  const { plan: made } = planned
  const { hold } = made
  const waits =
    hold &&
    `pods wait at ${hold.at} (${cacheWarmGate}) for ${goDuration(hold.timeoutMs)} at most${because(made)}`
  return [title(planned), ...(waits === undefined ? [] : [waits]), ...made.warnings]
}

function because({ holdReason }: Plan): string {
  return holdReason === undefined ? '' : `: ${holdReason}`
}

/** A warning for each Dataset that a policy names: files do not show which accounts may get it. */
function referenceWarnings({ caches }: Plan): string[] {
  return caches
    .filter(({ source }) => isReferenceTo(source))
    .map(
      ({ source: { uri } }) =>
        `warmgate: ${uri} is assumed to be granted: in a cluster the service account must be allowed to get that Dataset`,
    )
}

function toDiff(planned: PlannedService): string {
  const { before, plan: made } = planned
  const name = `${before.kind}/${planned.namespace}/${before.metadata.name ?? ''}`
  const changed =
    made.patch.length === 0
      ? ''
      : hunks(name, toText(withShortRecord(before)), toText(withShortRecord(made.service)))
  const created = siblingsOf(made).map((sibling) =>
    hunks(`${sibling.kind}/${planned.namespace}/${sibling.metadata.name ?? ''}`, '', toText(sibling)),
  )
  return `${comments(headOf(planned))}${changed}${created.join('')}`
}

/** With the size of the record in place of the record, which is for Warmgate and longer than all other changes. */
export function withShortRecord(object: KubeObject): KubeObject {
  const { annotations = {} } = object.metadata
  const record = annotations[originalAnnotation]
  if (record === undefined) return object
  const short = { ...annotations, [originalAnnotation]: `(the record, ${record.length} characters)` }
  return { ...object, metadata: { ...object.metadata, annotations: short } }
}

export function hunks(name: string, before: string, after: string): string {
  const file = printable(name)
  return createTwoFilesPatch(before === '' ? '/dev/null' : file, file, before, after).replace(
    /^(Index: .*\n)?=+\n/,
    '',
  )
}

function title({ before, namespace, plan: made }: PlannedService): string {
  const by = made.policy === undefined ? '' : ` (policy ${made.policy})`
  return `${before.kind} ${namespace}/${before.metadata.name ?? ''}: ${made.decision}, ${made.reason}: ${made.message}${by}`
}
