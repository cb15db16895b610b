import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ClusterChoice } from '../kube/config.ts'
import type { LabelSelector } from '../policy/schema.ts'
import { goDuration, parseDurationMs } from '../values/duration.ts'
import { isDnsLabel } from '../values/text.ts'
import { parseSelector } from './selector.ts'

/* kubectl's conventions, for all commands: the same flag has the same name, value and meaning everywhere. */

export type ClusterFlags = ClusterChoice

/** The flags of commands that work in one namespace, or with `-A` in all. */
export interface ScopeFlags extends ClusterFlags {
  namespace?: string | undefined
  allNamespaces?: boolean
}

/** Printed under the options of `--help`. */
export interface Help {
  /** Complete command lines, without the program's name. */
  examples: readonly (readonly [command: string, does: string])[]
  /** The meaning of each exit status. 0 and 2 mean the same in all commands. */
  exits?: { 0?: string; 1?: string }
}

export function addCommand(program: Command, name: string, description: string, help: Help): Command {
  const command = program.command(name).description(description)
  return command.addHelpText('after', () => helpText(program.name(), help))
}

function helpText(program: string, { examples, exits = {} }: Help): string {
  const lines = examples.map(([command]) => `${program} ${command}`)
  const width = Math.max(...lines.map(({ length }) => length))
  const statuses = { 0: 'done', ...exits, 2: 'wrong usage, input that cannot be read, or no cluster' }
  return [
    '',
    'Examples:',
    ...examples.map(([, does], index) => `  ${(lines[index] ?? '').padEnd(width)}  # ${does}`),
    '',
    'Exit status:',
    ...Object.entries(statuses).map(([status, meaning]) => `  ${status}  ${meaning}`),
  ].join('\n')
}

export function addClusterFlags(command: Command): Command {
  return command
    .option('--context <name>', "the kubeconfig's context; without it: the current one")
    .option('--kubeconfig <file>', 'the kubeconfig; without it: KUBECONFIG or ~/.kube/config')
}

/** `-n` and the cluster's flags; `-A` if a command can work on all namespaces. */
export function addScopeFlags(command: Command, { all }: { all: boolean }): Command {
  const description = "the namespace; without it: that of the kubeconfig's context"
  command.option('-n, --namespace <name>', description, toNamespace)
  if (all) command.option('-A, --all-namespaces', 'all namespaces')
  return addClusterFlags(command)
}

export function addSelectorFlag(command: Command, of: string): Command {
  return command.addOption(
    new Option(
      '-l, --selector <labels>',
      `only ${of} with these labels: a=b, a!=b, a, !a, "a in (b,c)"`,
    ).argParser(toSelector),
  )
}

export function addOutputFlag(command: Command, formats: readonly string[], preset: string): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'how to print').choices(formats).default(preset),
  )
}

/** Commands that change a cluster only print the changes without `--yes`. */
export function addYesFlag(command: Command): Command {
  return command.option('-y, --yes', 'do it; without it: print what would be done')
}

export function addParallelFlag(command: Command): Command {
  return command.option('--parallel <number>', 'how many services may roll their pods at a time', toCount, 1)
}

export function addTimeoutFlag(command: Command, waitsFor: string, presetMs: number): Command {
  const option = new Option('--timeout <duration>', `how long to wait for ${waitsFor}`)
  return command.addOption(option.argParser(toDurationMs).default(presetMs, goDuration(presetMs)))
}

/** A label selector, for the API server and for objects from files. */
export interface Selector {
  text: string
  terms: LabelSelector
}

function toSelector(text: string): Selector {
  const terms = parseSelector(text)
  if (terms !== undefined) return { text, terms }
  throw new InvalidArgumentError('write it like app=llama,tier!=test or "app in (llama,bloom)"')
}

export function toShare(value: string): number {
  const percent = Number(value.replace(/ ?%$/, ''))
  if (value !== '' && percent >= 0 && percent <= 100) return percent / 100
  throw new InvalidArgumentError('write a percentage from 0 to 100')
}

export function toDurationMs(value: string): number {
  const ms = parseDurationMs(value)
  if (ms !== undefined) return ms
  throw new InvalidArgumentError('write a duration like 8s, 30m or 1h30m')
}

export function toCount(value: string): number {
  const count = Number(value)
  if (Number.isInteger(count) && count > 0) return count
  throw new InvalidArgumentError('write a whole number from 1 on')
}

/** Refuses what cannot be the name of a namespace, such as the empty value of an unset variable. */
export function toNamespace(value: string): string {
  if (isDnsLabel(value)) return value
  throw new InvalidArgumentError('write the name of a namespace')
}

export function toPort(value: string): number {
  const port = Number(value)
  if (value !== '' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new InvalidArgumentError('write a port from 0 to 65535')
}
