import { Command, InvalidArgumentError, Option } from 'commander'
import { ForbiddenError } from '../kube/errors.ts'
import { parseDurationMs } from '../values/duration.ts'
import { printableLines } from '../values/text.ts'
import type { AdoptOptions } from './adopt.ts'
import { ManifestError, readManifests } from './manifests.ts'
import { type PlanFormat, planFormats, printNotes, runPlan, type Streams } from './plan.ts'
import { publishedSaving, type ReportFormat, renderReport, reportDownloads, reportFormats } from './report.ts'

const webhookConfiguration = 'acceleration.warmgate.dev'

export type Terminal = Streams

/**
 * Runs the command line; answers the exit status. Commands are loaded when they run: `plan` needs no Kubernetes
 * client.
 */
export async function main(args: string[], terminal: Terminal): Promise<number> {
  let status = 0
  const program = createProgram(terminal, (code) => {
    status = code
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return status
  } catch (error) {
    return failure(error, terminal)
  }
}

function failure(error: unknown, { stderr }: Terminal): number {
  if (isCommanderError(error)) return error.exitCode === 0 ? 0 : 2
  const code = error instanceof ManifestError || error instanceof ForbiddenError ? `${error.code}: ` : ''
  const message = error instanceof Error ? error.message : String(error)
  stderr.write(`warmgate: ${code}${printableLines(message)}\n`)
  return 2
}

function isCommanderError(error: unknown): error is { exitCode: number } {
  return (
    error instanceof Error &&
    'exitCode' in error &&
    'code' in error &&
    String(error.code).startsWith('commander.')
  )
}

function createProgram(terminal: Terminal, exit: (status: number) => void): Command {
  const program = new Command('warmgate')
    .description('Makes existing KServe manifests start fast, unchanged, on Fluid caches.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
    })
  program
    .command('plan')
    .description('Print, without a cluster, what would be admitted and created.')
    .requiredOption('-f, --file <file...>', 'manifests: files, folders, or - for standard input')
    .option('--policy <file...>', 'policies to try: they take the place of those of the same name')
    .addOption(new Option('-o, --output <format>', 'how to print').choices([...planFormats]).default('yaml'))
    .action(async ({ file, policy, output }: { file: string[]; policy?: string[]; output: PlanFormat }) => {
      exit(await runPlan({ files: file, policyFiles: policy ?? [], output }, terminal))
    })
  addReport(program, terminal, exit)
  program
    .command('status')
    .description('Show caches, how full they are, and the pods that wait for them.')
    .option('-n, --namespace <name>', 'of one namespace only')
    .option('-w, --watch', 'again and again, until interrupted', false)
    .action(async ({ namespace, watch }: { namespace?: string; watch: boolean }) => {
      const { runStatus } = await import('./status.ts')
      const { withCluster } = await import('./cluster.ts')
      exit(await withCluster((cluster) => runStatus({ ...cluster, namespace, watch }, terminal)))
    })
  addRefresh(program, terminal, exit)
  addAdopt(program, terminal, exit)
  addRestore(program, terminal, exit)
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
    .option('--exclude-namespace <name...>', 'where nothing is ever accelerated, besides these', [])
    .option('--port <port>', 'where the webhook answers (HTTPS)', toPort, 9443)
    .option('--probe-port <port>', 'where /healthz and /readyz answer (HTTP)', toPort, 8081)
    .option('--metrics-port <port>', 'where /metrics answers (HTTP)', toPort, 8080)
    .option('--address <address>', 'the address that all three listen on', '0.0.0.0')
    .option(
      '--client-ca <file>',
      'take reviews only from clients with a certificate of this authority (PEM): the API server needs one then, by the kubeConfigFile of its AdmissionConfiguration',
    )
    .option('--client-name <name...>', 'and only by these common names or DNS names', [])
    .option('--service <name>', 'the Service by which the API server reaches the webhook', 'warmgate')
    .option('--webhook-configuration <name>', 'whose caBundle is kept', webhookConfiguration)
    .option('--drain <duration>', 'how long to serve on after SIGTERM', toDurationMs, 8_000)
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .action(async (options) => {
      const { serve } = await import('./serve.ts')
      await serve(options)
    })
  return program
}

function addRefresh(program: Command, terminal: Terminal, exit: (status: number) => void): void {
  program
    .command('refresh')
    .description('Load what changed at the same URI into the caches of a service. No pod is touched.')
    .argument('<service>', 'an InferenceService or LLMInferenceService')
    .option('-n, --namespace <name>', 'its namespace', 'default')
    .option('--timeout <duration>', 'how long to wait for it', toDurationMs, 3_600_000)
    .action(async (service: string, { namespace, timeout }: { namespace: string; timeout: number }) => {
      const [{ withCluster }, { runRefresh }] = await Promise.all([
        import('./cluster.ts'),
        import('./refresh.ts'),
      ])
      const options = { service, namespace, timeoutMs: timeout }
      exit(await withCluster((cluster) => runRefresh({ ...cluster, ...options }, terminal)))
    })
}

function addAdopt(program: Command, terminal: Terminal, exit: (status: number) => void): void {
  program
    .command('adopt')
    .description(
      'Take in services that stood before their namespace or policy. Without --yes: tell what would be done.',
    )
    .argument('[service...]', 'these alone, of one namespace (default)')
    .option('-n, --namespace <name>', 'in one namespace alone')
    .option('-A, --all-namespaces', 'everywhere', false)
    .option('-y, --yes', 'do it', false)
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['text', 'diff']).default('text'))
    .option('--max-concurrent <number>', 'how many services may roll their pods at a time', toCount, 1)
    .option('--timeout <duration>', 'how long to wait for the pods of a service', toDurationMs, 2_700_000)
    .action(async (services: string[], flags: AdoptFlags) => {
      const [{ withCluster }, { runAdopt }] = await Promise.all([
        import('./cluster.ts'),
        import('./adopt.ts'),
      ])
      const namespace = flags.allNamespaces ? undefined : (flags.namespace ?? 'default')
      const options = { ...flags, scope: { namespace, services }, timeoutMs: flags.timeout }
      exit(await withCluster((cluster) => runAdopt({ ...cluster, ...options }, terminal)))
    })
}

interface AdoptFlags extends Pick<AdoptOptions, 'yes' | 'output' | 'maxConcurrent'> {
  namespace?: string
  allNamespaces: boolean
  timeout: number
}

function addRestore(program: Command, terminal: Terminal, exit: (status: number) => void): void {
  program
    .command('restore')
    .description('Release held pods, give services back as they came in, and take the caches away.')
    .argument('[service...]', 'these alone, of one namespace (default)')
    .option('-n, --namespace <name>', 'in one namespace alone')
    .option('--pods-only', 'release held pods, and leave the rest as it is', false)
    .option('--dry-run', 'tell what would be done, and do nothing', false)
    .option('--parallel <number>', 'how many services may roll their pods at a time', toCount, 1)
    .option('--timeout <duration>', 'how long to wait for the pods of a service', toDurationMs, 1_800_000)
    .option('--webhook-configuration <name>', 'while it is there, services opt out', webhookConfiguration)
    .action(async (services: string[], flags: RestoreFlags) => {
      const [{ withCluster }, { runRestore }] = await Promise.all([
        import('./cluster.ts'),
        import('./restore.ts'),
      ])
      const namespace = flags.namespace ?? (services.length === 0 ? undefined : 'default')
      const options = { ...flags, scope: { namespace, services }, timeoutMs: flags.timeout }
      exit(await withCluster((cluster) => runRestore({ ...cluster, ...options }, terminal)))
    })
}

interface RestoreFlags {
  namespace?: string
  podsOnly: boolean
  dryRun: boolean
  parallel: number
  timeout: number
  webhookConfiguration: string
}

function addReport(program: Command, terminal: Terminal, exit: (status: number) => void): void {
  program
    .command('report')
    .description('Tell what downloads cost, service by service, from the pods that are there.')
    .option('-f, --file <file...>', 'pods from files (kubectl get pods -A -o json), or - for standard input')
    .option('-n, --namespace <name>', 'the pods of one namespace alone')
    .option(
      '--saving <percent>',
      'what a warm cache is assumed to take off a download',
      toShare,
      publishedSaving,
    )
    .addOption(
      new Option('-o, --output <format>', 'how to print').choices([...reportFormats]).default('table'),
    )
    .action(async ({ file, namespace, saving, output }: ReportFlags) => {
      const read = file === undefined ? undefined : await readManifests(file, terminal.stdin)
      const pods =
        read === undefined
          ? await (await import('./report-cluster.ts')).podsOfCluster(namespace)
          : read.manifests.map(({ object }) => object).filter(({ kind }) => kind === 'Pod')
      const wanted = pods.filter(
        ({ metadata }) => namespace === undefined || metadata.namespace === namespace,
      )
      terminal.stdout.write(renderReport[output]({ services: reportDownloads(wanted, saving), saving }))
      if (read !== undefined && printNotes(read, terminal)) exit(2)
    })
}

interface ReportFlags {
  file?: string[]
  namespace?: string
  saving: number
  output: ReportFormat
}

function toShare(value: string): number {
  const percent = Number(value.replace(/ ?%$/, ''))
  if (percent >= 0 && percent <= 100) return percent / 100
  throw new InvalidArgumentError('a saving is a percentage from 0 to 100')
}

function toDurationMs(value: string): number {
  const ms = parseDurationMs(value)
  if (ms !== undefined) return ms
  throw new InvalidArgumentError('a duration is written like 8s or 1m30s')
}

function toCount(value: string): number {
  const count = Number(value)
  if (Number.isInteger(count) && count > 0) return count
  throw new InvalidArgumentError('this is a whole number from 1 on')
}

function toPort(value: string): number {
  const port = Number(value)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new InvalidArgumentError('a port is a whole number from 0 to 65535')
}
