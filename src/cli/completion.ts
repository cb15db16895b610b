import type { Argument, Command, Option } from 'commander'
import { printable } from '../values/text.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

export interface Candidate {
  value: string
  description?: string
}

export type Lookup = (
  what: 'namespace' | 'context' | 'service',
  words: readonly string[],
) => Promise<string[]>

/** The command that completion scripts call, with cobra's name. kubectl calls it for plugins, too. */
export const completeCommand = '__complete'

/** Cobra's directives for the shell, which kubectl understands: complete files, or do not. */
const [withFiles, withoutFiles] = [':0', ':4']

/**
 * The output for a script: one candidate per line, `value<tab>description`, and a directive as the last line.
 */
export async function complete(program: Command, words: readonly string[], lookup: Lookup): Promise<string> {
  const { candidates, isFile } = await candidatesFor(program, words, lookup)
  const typed = words.at(-1) ?? ''
  const lines = candidates
    .filter(({ value }) => value.startsWith(typed))
    .map(({ value, description }) => printable(value) + (description ? `\t${printable(description)}` : ''))
  return `${[...lines, isFile ? withFiles : withoutFiles].join('\n')}\n`
}

interface Candidates {
  candidates: Candidate[]
  isFile?: boolean
}

/** The last word is the one at the cursor, and may be empty. */
async function candidatesFor(
  program: Command,
  words: readonly string[],
  lookup: Lookup,
): Promise<Candidates> {
  const [name, ...rest] = words
  const commands = program.commands.filter((each) => each.name() !== completeCommand)
  const command = commands.find((each) => each.name() === name)
  if (command === undefined || rest.length === 0)
    return { candidates: commands.map((each) => ({ value: each.name(), description: each.description() })) }
  const typed = rest.at(-1) ?? ''
  const before = rest.at(-2) ?? ''
  const taking = command.options.find(
    (option) => takesValue(option) && before !== '' && [option.short, option.long].includes(before),
  )
  if (taking !== undefined) return await valuesOf(taking, words, lookup)
  if (typed.startsWith('-')) return { candidates: command.options.map(flagOf) }
  return await argumentsOf(command.registeredArguments, words, lookup)
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional
}

function flagOf({ long, short, description }: Option): Candidate {
  return { value: long ?? short ?? '', description }
}

async function valuesOf(option: Option, words: readonly string[], lookup: Lookup): Promise<Candidates> {
  const fixed = option.argChoices?.map((value) => ({ value }))
  if (fixed !== undefined) return { candidates: fixed }
  const what =
    option.long === '--namespace' ? 'namespace' : option.long === '--context' ? 'context' : undefined
  if (what !== undefined) return await looked(what, words, lookup)
  return { candidates: [], isFile: option.flags.includes('<file') }
}

async function argumentsOf(
  args: readonly Argument[],
  words: readonly string[],
  lookup: Lookup,
): Promise<Candidates> {
  const [argument] = args
  if (argument?.argChoices) return { candidates: argument.argChoices.map((value) => ({ value })) }
  if (argument?.name() === 'service') return await looked('service', words, lookup)
  return { candidates: [] }
}

/** Returns no names, and prints no error, if the cluster does not respond. */
async function looked(
  what: Parameters<Lookup>[0],
  words: readonly string[],
  lookup: Lookup,
): Promise<Candidates> {
  const values = await lookup(what, words).catch(() => [])
  return { candidates: [...new Set(values)].toSorted().map((value) => ({ value })) }
}

export const completionScripts: Record<Shell, string> = {
  bash: `# warmgate completion for bash: source <(warmgate completion bash)
_warmgate() {
  local answer line
  COMPREPLY=()
  answer=$(warmgate ${completeCommand} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  if [ "\${answer##*$'\\n'}" = "${withoutFiles}" ]; then compopt +o default 2>/dev/null; fi
  while IFS= read -r line; do
    case $line in :[0-9]*) ;; ?*) COMPREPLY+=("\${line%%$'\\t'*}") ;; esac
  done <<< "$answer"
}
complete -o default -F _warmgate warmgate
`,
  zsh: `#compdef warmgate
# warmgate completion for zsh: source <(warmgate completion zsh)
_warmgate() {
  local line directive
  local -a found
  while IFS= read -r line; do
    case $line in
      :[0-9]*) directive=$line ;;
      *$'\\t'*) found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
      ?*) found+=("\${line//:/\\\\:}") ;;
    esac
  done < <(warmgate ${completeCommand} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then _describe warmgate found; elif [[ $directive = "${withFiles}" ]]; then _files; fi
}
if [ "$funcstack[1]" = _warmgate ]; then _warmgate "$@"; else compdef _warmgate warmgate; fi
`,
  fish: `# warmgate completion for fish: warmgate completion fish | source
function __warmgate_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l answer (warmgate ${completeCommand} -- $words[2..-1] 2>/dev/null)
  if test (count $answer) -eq 1; and test "$answer[-1]" = "${withFiles}"
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $answer[1..-2]
  end
end
complete -c warmgate -f -a '(__warmgate_complete)'
`,
}
