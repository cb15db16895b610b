import { createTwoFilesPatch } from 'diff'
import { Document, visit } from 'yaml'
import { isReferenceTo } from '../fluid/reference.ts'
import { findModelLocations } from '../kserve/location.ts'
import { type Plan, plan, siblingsOf } from '../plan/plan.ts'
import { readOriginal } from '../plan/service/original.ts'
import { goDuration } from '../values/duration.ts'
import { cacheWarmGate } from '../values/keys.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { hasPlaceholder, printable, printableLines, printableYaml } from '../values/text.ts'
import { plainScalar } from './go-yaml.ts'
import { ManifestFacts } from './manifest-facts.ts'
import { type FileManifest, type Manifest, type Manifests, readManifests } from './manifests.ts'
import type { Streams } from './terminal.ts'

export const planFormats = ['yaml', 'json', 'diff'] as const
export type PlanFormat = (typeof planFormats)[number]

export interface PlanOptions {
  files: string[]
  /** Policies to try. They replace policies with the same name. */
  policyFiles?: string[]
  output: PlanFormat
}

interface PlannedService {
  before: KubeObject
  namespace: string
  plan: Plan
  /** Warnings about objects that are not in the files, in addition to the plan's warnings. */
  warnings: string[]
}

/**
 * `warmgate plan`: prints what would be admitted and created, from files only. Resolves with the exit status:
 * 2 if a file cannot be read (the rest is still printed), 1 if a service would be denied.
 */
export async function runPlan(
  { files, policyFiles = [], output }: PlanOptions,
  streams: Streams,
): Promise<0 | 1 | 2> {
  const candidates = await readManifests(policyFiles, streams.stdin)
  // A policy file that cannot be read makes the plan useless: stop.
  if (candidates.problems[0] !== undefined) throw candidates.problems[0]
  const read = await readManifests(files, streams.stdin)
  const manifests = withPolicies(read.manifests, candidates.manifests)
  const services = manifests.filter(({ object }) => isService(object))
  const offline = new ManifestFacts(manifests)
  const planned = services.map(({ object }) => planService(object, offline))
  streams.stdout.write(render[output](planned))
  const notes = [...candidates.notes, ...read.notes, ...services.flatMap(placeholderNotes)]
  const isUnread = printNotes({ notes, problems: read.problems }, streams)
  if (isUnread) return 2
  return planned.some(({ plan: { decision } }) => decision === 'deny') ? 1 : 0
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
function withPolicies(manifests: FileManifest[], candidates: FileManifest[]): FileManifest[] {
  const policies = candidates.filter(isPolicy)
  const names = new Set(policies.map(({ object }) => object.metadata.name))
  const kept = manifests.filter((each) => !isPolicy(each) || !names.has(each.object.metadata.name))
  return [...kept, ...policies]
}

const isPolicy = ({ object }: Manifest) => object.kind === 'AccelerationPolicy'

function isService({ kind }: KubeObject): boolean {
  return kind === 'InferenceService' || kind === 'LLMInferenceService'
}

function planService(service: KubeObject, offline: ManifestFacts): PlannedService {
  const facts = offline.factsFor(service)
  // Trust the record of a manifest that was admitted before, as for a stored service.
  const admitted = readOriginal(service) === undefined ? {} : { previous: service }
  return {
    before: service,
    namespace: facts.namespace,
    plan: plan({ service, facts, ...admitted }),
    warnings: offline.warningsFor(service),
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

const render: Record<PlanFormat, (planned: PlannedService[]) => string> = {
  json: (planned) => printableLines(`${JSON.stringify(planned.map(toJson), null, 2)}\n`),
  yaml: (planned) => planned.map(toYaml).join(''),
  diff: (planned) => planned.map(toDiff).join(''),
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
    warnings: warningsOf(planned),
  }
}

function toYaml(planned: PlannedService): string {
  const { plan: made } = planned
  const hold = made.hold
  const head = [
    title(planned),
    ...(hold === undefined
      ? []
      : [
          `pods wait at ${hold.at} (${cacheWarmGate}) for ${goDuration(hold.timeoutMs)} at most${because(made)}`,
        ]),
    ...warningsOf(planned),
  ]
  const documents = [made.service, ...siblingsOf(made)].map((object) => `---\n${toText(object)}`)
  return `${head.map((line) => `# ${printable(line)}\n`).join('')}${documents.join('')}`
}

function because({ holdReason }: Plan): string {
  return holdReason === undefined ? '' : `: ${holdReason}`
}

/** Adds a warning for each Dataset that a policy names: files do not show which accounts may get it. */
function warningsOf({ plan: made, warnings }: PlannedService): string[] {
  const references = made.caches.filter(({ source }) => isReferenceTo(source))
  return [
    ...made.warnings,
    ...warnings,
    ...references.map(
      ({ source: { uri } }) =>
        `warmgate: ${uri} is assumed to be granted: in a cluster the service account must be allowed to get that Dataset`,
    ),
  ]
}

function toDiff(planned: PlannedService): string {
  const { before, plan: made } = planned
  const name = `${before.kind}/${planned.namespace}/${before.metadata.name ?? ''}`
  const changed = made.patch.length === 0 ? '' : hunks(name, toText(before), toText(made.service))
  const created = siblingsOf(made).map((sibling) =>
    hunks(`${sibling.kind}/${planned.namespace}/${sibling.metadata.name ?? ''}`, '', toText(sibling)),
  )
  return `# ${printable(title(planned))}\n${changed}${created.join('')}`
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
