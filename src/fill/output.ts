import { limits } from '../values/limits.ts'
import { type KubeObject, listAt, stringAt } from '../values/object.ts'
import { printable } from '../values/text.ts'

const mostRead = 4_096
const mostLines = 3
const mask = '***'

/**
 * The last lines of the container that failed last, for an Event: bounded, in one line, and without anything
 * that looks like a credential. Undefined without output. Kubernetes keeps at most 4 KiB of a container's
 * log.
 */
export function lastLines(pods: KubeObject[]): string | undefined {
  const failed = pods
    .toSorted((a, b) => created(b).localeCompare(created(a)))
    .flatMap((pod) => [
      ...listAt(pod, 'status', 'containerStatuses'),
      ...listAt(pod, 'status', 'initContainerStatuses'),
    ])
    .filter((status) => (stringAt(status, 'state', 'terminated', 'message') ?? '') !== '')
  const text = stringAt(failed[0], 'state', 'terminated', 'message')
  if (text === undefined) return undefined
  const lines = text
    .slice(-mostRead)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  return printable(masked(lines.slice(-mostLines).join(' | '))).slice(-3 * limits.message)
}

function created({ metadata: { creationTimestamp = '' } }: KubeObject): string {
  return creationTimestamp
}

/** Known forms of tokens and keys, user information and queries of URLs, and what is named like a secret. */
const secretForms: [pattern: RegExp, replacement: string][] = [
  [/\b(hf_|ghp_|github_pat_|glpat-|xox[a-z]-|AKIA|ASIA|ya29\.)[\w.-]{4,}/g, mask],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, `$1 ${mask}`],
  [/:\/\/[^\s/@]{1,512}@/g, `://${mask}@`],
  [/(https?:\/\/[^\s?'"]{1,2048})\?[^\s'"]+/g, `$1?${mask}`],
  [
    /((?:secret|token|password|passwd|credential|signature|api[_-]?key|access[_-]?key)[\w-]{0,32}["']?\s?[:=]\s?["']?)[^\s"',;&|]+/gi,
    `$1${mask}`,
  ],
  // Long runs without a space are digests or keys, and help no reader.
  [/[A-Za-z0-9+/=_-]{40,}/g, mask],
]

export function masked(text: string): string {
  return secretForms.reduce(
    (rest, [pattern, replacement]) => rest.replaceAll(pattern, replacement),
    text.slice(-mostRead),
  )
}
