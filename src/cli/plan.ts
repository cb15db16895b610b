import { createTwoFilesPatch } from 'diff'
import { Document, visit } from 'yaml'
import { isReferenceTo } from '../fluid/reference.ts'
import { type Plan, plan, siblingsOf } from '../plan/plan.ts'
import { cacheWarmGate } from '../plan/pod/hold.ts'
import { readOriginal } from '../plan/service/original.ts'
import { goDuration } from '../values/duration.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { printable, printableLines } from '../values/text.ts'
import { ManifestFacts } from './manifest-facts.ts'
import { type Manifest, readManifests } from './manifests.ts'

export const planFormats = ['yaml', 'json', 'diff'] as const
export type PlanFormat = (typeof planFormats)[number]

export interface PlanOptions {
  files: string[]
  /** Policies to try, in place of those of the same name. */
  policyFiles?: string[]
  output: PlanFormat
}

export interface Streams {
  stdin: NodeJS.ReadableStream
  stdout: { write(text: string): unknown }
}

interface Planned {
  before: KubeObject
  namespace: string
  plan: Plan
}

/**
 * `warmgate plan`: what would be admitted and created, from files alone. Answers the exit status: 1 where a
 * service would be denied.
 */
export async function runPlan(
  { files, policyFiles = [], output }: PlanOptions,
  { stdin, stdout }: Streams,
): Promise<0 | 1> {
  const tried = (await readManifests(policyFiles, stdin)).filter(isPolicy)
  const names = new Set(tried.map(({ object }) => object.metadata.name))
  const manifests = (await readManifests(files, stdin)).filter(
    (manifest) => !isPolicy(manifest) || !names.has(manifest.object.metadata.name),
  )
  const offline = new ManifestFacts([...manifests, ...tried])
  const planned = offline.services.map((service) => {
    const facts = offline.factsFor(service)
    // A manifest that was admitted before is taken at its word.
    const admitted = readOriginal(service) === undefined ? {} : { previous: service }
    return { before: service, namespace: facts.namespace, plan: plan({ service, facts, ...admitted }) }
  })
  stdout.write(render[output](planned))
  return planned.some(({ plan: { decision } }) => decision === 'deny') ? 1 : 0
}

const isPolicy = ({ object }: Manifest) => object.kind === 'AccelerationPolicy'

/** A manifest to be read. Texts that hold control characters are quoted, since only there YAML knows escapes. */
export function toText(object: KubeObject): string {
  // An anchor in a file may have made one object of two; a manifest to be read says both.
  const document = new Document(object, { aliasDuplicateObjects: false })
  visit(document, {
    Scalar(_, node) {
      const { value } = node
      if (typeof value === 'string' && printableLines(value) !== value) node.type = 'QUOTE_DOUBLE'
    },
  })
  return printableLines(document.toString())
}

const render: Record<PlanFormat, (planned: Planned[]) => string> = {
  json: (planned) => printableLines(`${JSON.stringify(planned.map(toJson), null, 2)}\n`),
  yaml: (planned) => planned.map(toYaml).join(''),
  diff: (planned) => planned.map(toDiff).join(''),
}

function toJson({ before, namespace, plan: made }: Planned): JsonObject {
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
    warnings: warningsOf(made),
  }
}

function toYaml(planned: Planned): string {
  const { plan: made } = planned
  const hold = made.hold
  const head = [
    title(planned),
    ...(hold === undefined
      ? []
      : [`pods wait at ${hold.at} (${cacheWarmGate}) for ${goDuration(hold.timeoutMs)} at most`]),
    ...warningsOf(made),
  ]
  const documents = [made.service, ...siblingsOf(made)].map((object) => `---\n${toText(object)}`)
  return `${head.map((line) => `# ${printable(line)}\n`).join('')}${documents.join('')}`
}

/** Files cannot tell who may get what. */
function warningsOf(made: Plan): string[] {
  const references = made.caches.filter(({ source }) => isReferenceTo(source))
  return [
    ...made.warnings,
    ...references.map(
      ({ source: { uri } }) =>
        `warmgate: ${uri} is taken for granted here: in a cluster the service account must be allowed to get that Dataset`,
    ),
  ]
}

function toDiff(planned: Planned): string {
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

function title({ before, namespace, plan: made }: Planned): string {
  const by = made.policy === undefined ? '' : ` (policy ${made.policy})`
  return `${before.kind} ${namespace}/${before.metadata.name ?? ''}: ${made.decision}, ${made.reason}: ${made.message}${by}`
}
