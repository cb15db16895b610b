import { Argument, Command, type CommanderError } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { printableLines } from '../values/text.ts'
import {
  addAdopt,
  addDoctor,
  addExplain,
  addMirror,
  addPlan,
  addRefresh,
  addReport,
  addRestore,
  addSimulate,
  addStatus,
  addWarm,
  type Session,
  webhookConfiguration,
} from './commands.ts'
import { complete, completeCommand, completionScripts, type Shell, shells } from './completion.ts'
import { addCommand, toDurationMs, toPort } from './conventions.ts'
import { describeError } from './errors.ts'
import type { Streams } from './terminal.ts'

/** `kubectl warmgate` if kubectl runs this program as its plugin. */
export function programName(path: string): string {
  return /(^|[/\\])kubectl-warmgate[^/\\]*$/.test(path) ? 'kubectl warmgate' : 'warmgate'
}

/**
 * Runs the command line. Resolves with the exit status. Loads commands on demand, because `plan` needs no
 * Kubernetes client.
 */
export async function main(args: string[], terminal: Streams, name = 'warmgate'): Promise<number> {
  let status = 0
  const session = { terminal, exit: (code: number) => (status = code) }
  try {
    await createProgram(name, session).parseAsync(args, { from: 'user' })
    return status
  } catch (error) {
    if (isCommanderError(error)) return error.exitCode === 0 ? 0 : 2
    terminal.stderr.write(`warmgate: ${printableLines(describeError(error))}\n`)
    return 2
  }
}

function isCommanderError(error: unknown): error is CommanderError {
  return (
    error instanceof Error &&
    'exitCode' in error &&
    'code' in error &&
    String(error.code).startsWith('commander.')
  )
}

/** The columns of `--help` if the output is not a terminal. */
const helpWidth = 100

export function createProgram(name: string, session: Session): Command {
  const { terminal } = session
  const program = new Command(name)
    .description('Makes existing KServe manifests start fast, unchanged, on Fluid caches.')
    .version(packageJson.version, '--version', 'print the version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      getOutHelpWidth: () => terminal.stdout.columns ?? helpWidth,
      getErrHelpWidth: () => helpWidth,
      outputError: (text, write) => write(`warmgate: WG002: ${text.replace(/^error: /, '')}`),
    })
    .showHelpAfterError(`see ${name} --help, or the --help of the command`)
  addPlan(program, session)
  addSimulate(program, session)
  addReport(program, session)
  addDoctor(program, session)
  addExplain(program, session)
  addStatus(program, session)
  addRefresh(program, session)
  addWarm(program, session)
  addMirror(program, session)
  addAdopt(program, session)
  addRestore(program, session)
  addCompletion(program, session)
  program
    .command('serve')
    .description('Run the webhook and the controller.')
    .option(
      '--namespace <name>',
      'the namespace of Warmgate itself',
      process.env.POD_NAMESPACE ?? 'warmgate-system',
    )
    .option(
      '--kserve-namespace <name>',
      "the namespace of KServe's ConfigMap; without it: kserve, opendatahub, redhat-ods-applications or kubeflow",
    )
    .option('--exclude-namespace <name...>', 'more namespaces in which nothing is accelerated', [])
    .option('--port <port>', 'port of the webhook (HTTPS)', toPort, 9443)
    .option('--probe-port <port>', 'port of /healthz and /readyz (HTTP)', toPort, 8081)
    .option('--metrics-port <port>', 'port of /metrics (HTTP)', toPort, 8080)
    .option('--address <address>', 'address for all three ports', '0.0.0.0')
    .option(
      '--client-ca <file>',
      'accept reviews only from clients with a certificate of this authority (PEM); give the API server one with the kubeConfigFile of its AdmissionConfiguration',
    )
    .option('--client-name <name...>', 'accept only these common names or DNS names', [])
    .option('--service <name>', 'the Service of the webhook', 'warmgate')
    .option(
      '--webhook-configuration <name>',
      'the MutatingWebhookConfiguration with the caBundle to maintain',
      webhookConfiguration,
    )
    .option(
      '--cert-dir <folder>',
      'serve with tls.crt and tls.key of this mounted Secret instead of own certificates',
    )
    .option('--drain <duration>', 'how long to keep serving after SIGTERM', toDurationMs, 8_000)
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .action(async (options) => {
      const { serve } = await import('./serve.ts')
      await serve(options)
    })
  return program
}

function addCompletion(program: Command, { terminal }: Session): void {
  addCommand(program, 'completion', 'Print the script that completes commands, flags and names in a shell.', {
    examples: [
      ['completion bash > ~/.local/share/bash-completion/completions/warmgate', 'bash'],
      ['completion zsh > ~/.zfunc/_warmgate', 'zsh'],
      ['completion fish > ~/.config/fish/completions/warmgate.fish', 'fish'],
    ],
  })
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .action((shell: Shell) => {
      terminal.stdout.write(completionScripts[shell])
    })
  program
    .command(completeCommand, { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .argument('[word...]')
    .action(async (words: string[]) => {
      const { lookupNames } = await import('./lookup.ts')
      terminal.stdout.write(await complete(program, words, lookupNames))
    })
}
