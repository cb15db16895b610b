import { UsageError } from './errors.ts'
import { reasonPages } from './reasons.ts'
import { type Column, table } from './table.ts'

export type ExplainedReason = keyof typeof reasonPages

/** All reasons, in the order of docs/reasons.md. */
export const reasonNames = Object.keys(reasonPages) as ExplainedReason[]

/** The reason that a user typed, in any letter case. */
export function toReason(text: string): ExplainedReason {
  const found = reasonNames.find((name) => name.toLowerCase() === text.toLowerCase())
  if (found !== undefined) return found
  throw new UsageError(`there is no reason ${text}: warmgate explain lists them`)
}

/** What one reason means and what to do, or a line for each reason. */
export function explain(reason: ExplainedReason | undefined): string {
  if (reason !== undefined) return `${reason}\n\n${plainText(reasonPages[reason])}\n`
  const columns: Column<ExplainedReason>[] = [
    ['REASON', (name) => name],
    ['MEANING', firstSentence],
  ]
  return `${table(columns, reasonNames).join('\n')}\n`
}

function plainText(lines: readonly string[]): string {
  return lines.join('\n').replace(/\[((?:[^[\]]|\[[^[\]]*\])*)\]\([^)]*\)/g, '$1')
}

/** Up to the first stop that is neither in code nor in parentheses. */
function firstSentence(name: ExplainedReason): string {
  const [paragraph = ''] = plainText(reasonPages[name]).split('\n\n')
  return /^(?:`[^`]*`|\([^)]*\)|[^.:;`(])*/.exec(paragraph.replaceAll('\n', ' '))?.[0].trim() ?? ''
}

/** With commands in fences, which a terminal shows better without. */
function fenced(markdown: string): string {
  return markdown.replaceAll(
    /(?:^ {4}.*\n)+/gm,
    (code) => `\`\`\`sh\n${code.replaceAll(/^ {4}/gm, '')}\`\`\`\n`,
  )
}

/** docs/reasons.md. */
export function reasonsPage(): string {
  const sections = reasonNames.map((name) => `## ${name}\n\n${fenced(reasonPages[name].join('\n'))}\n`)
  return [introduction, ...sections].join('\n')
}

const introduction = `# Reasons

This page lists why a service is accelerated, or is not; \`warmgate explain REASON\` prints the same. These
words appear in the warning that \`kubectl apply\` prints, in the Event on the service, in the output of
\`warmgate plan\`, and as the \`reason\` label of \`warmgate_admission_reviews_total\`. A service that is not
accelerated is left exactly as it was written, and starts as it would without Warmgate.
`
