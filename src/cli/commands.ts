import { Argument, type Command, Option } from 'commander'
import { withCluster } from './cluster.ts'
import {
  addClusterFlags,
  addCommand,
  addOutputFlag,
  addParallelFlag,
  addScopeFlags,
  addSelectorFlag,
  addTimeoutFlag,
  addYesFlag,
  type ClusterFlags,
  type ScopeFlags,
  type Selector,
  toDurationMs,
  toNamespace,
  toShare,
} from './conventions.ts'
import { UsageError } from './errors.ts'
import { type ExplainedReason, explain, reasonNames, toReason } from './explain.ts'
import { readManifests } from './manifests.ts'
import { type FailOn, failures, type PlanFormat, planFormats, printNotes, runPlan } from './plan.ts'
import { publishedSaving, type ReportFormat, renderReport, reportDownloads, reportFormats } from './report.ts'
import { reportSources } from './report-sources.ts'
import type { SimulateFormat } from './simulate.ts'
import type { StatusFormat } from './status/render.ts'
import type { Streams } from './terminal.ts'

export const webhookConfiguration = 'acceleration.warmgate.dev'

/** The terminal of a command, and the function that it calls with its exit status. */
export interface Session {
  terminal: Streams
  exit: (status: number) => void
}

interface SelectorFlags extends ScopeFlags {
  selector?: Selector
}

interface PlanFlags {
  file: string[]
  policy?: string[]
  output: PlanFormat
  namespace?: string
  selector?: Selector
  failOn: FailOn
}

export function addPlan(program: Command, { terminal, exit }: Session): void {
  const command = addCommand(
    program,
    'plan',
    'Print, without a cluster, what would be admitted and created.',
    {
      examples: [
        ['plan -f service.yaml', 'what would be admitted and created'],
        ['plan -f services/ --policy new.yaml -o diff', 'what a new policy would change'],
        [
          'plan -f services/ --fail-on skip -o json',
          'for a pipeline in which every service has to be accelerated',
        ],
        ['plan -f - < service.yaml', 'from standard input'],
      ],
      exits: { 1: 'a service would be denied, or skipped with --fail-on skip' },
    },
  )
    .requiredOption('-f, --file <file...>', 'manifests: files, folders, or - for standard input')
    .option('--policy <file...>', 'policies to try, in place of those of the same name')
    .option(
      '-n, --namespace <name>',
      'the namespace of manifests that name none; without it: default',
      toNamespace,
    )
    .addOption(
      new Option('--fail-on <decision>', 'which decisions are a failure: deny, or skip as well')
        .choices(failures)
        .default('deny'),
    )
  addOutputFlag(addSelectorFlag(command, 'services'), planFormats, 'yaml').action(
    async (flags: PlanFlags) => {
      const { file: files, policy: policyFiles = [], selector, ...rest } = flags
      exit(await runPlan({ files, policyFiles, selector: selector?.terms, ...rest }, terminal))
    },
  )
}

interface StatusFlags extends SelectorFlags {
  watch?: true
  output: StatusFormat
}

export function addStatus(program: Command, { terminal, exit }: Session): void {
  const command = addCommand(
    program,
    'status',
    'Show services, how far their caches are, and the pods that wait.',
    {
      examples: [
        ['status -A', 'all services that use a cache'],
        ['status llama -n models', 'one service: its caches, and who waits for what'],
        ['status -n models --watch', 'a live view, until Ctrl-C; in a pipe a line for each change'],
        ['status -A -o json', 'for a script'],
      ],
      exits: { 1: 'the service does not exist, or uses no cache' },
    },
  )
    .argument('[service]', 'one service; without it: all')
    .option('-w, --watch', 'a live view, until Ctrl-C; in a pipe a line for each change')
  addOutputFlag(command, ['table', 'wide', 'json'], 'table')
  addScopeFlags(addSelectorFlag(command, 'services'), { all: true }).action(
    async (service: string | undefined, flags: StatusFlags) => {
      const { runStatus } = await import('./status.ts')
      refuseNamesInAll(service === undefined ? [] : [service], flags)
      const { watch = false, output, selector } = flags
      const options = { watch, output, service, selector: selector?.text }
      exit(await withCluster(flags, (cluster) => runStatus({ ...cluster, ...options }, terminal)))
    },
  )
}

export function addRefresh(program: Command, { terminal, exit }: Session): void {
  const command = addCommand(
    program,
    'refresh',
    'Load what changed at the same URI into the caches of a service. No service and no pod is changed.',
    {
      examples: [['refresh llama -n models', 'after the files at its URI changed']],
      exits: { 1: 'a cache could not be refreshed' },
    },
  ).argument('<service>', 'an InferenceService or LLMInferenceService')
  addTimeoutFlag(command, 'the load', 3_600_000)
  addScopeFlags(command, { all: false }).action(
    async (service: string, flags: ScopeFlags & { timeout: number }) => {
      const { runRefresh } = await import('./refresh.ts')
      const options = { service, timeoutMs: flags.timeout }
      exit(
        await withCluster(flags, ({ namespace = '', ...cluster }) =>
          runRefresh({ ...cluster, ...options, namespace }, terminal),
        ),
      )
    },
  )
}

interface WarmFlags extends ScopeFlags {
  yes?: true
  serviceAccount: string
  timeout: number
}

export function addWarm(program: Command, { terminal, exit }: Session): void {
  const command = addCommand(
    program,
    'warm',
    'Make, fill and warm the cache of a model before any service needs it, and keep it as the policy retains unused caches.',
    {
      examples: [
        ['warm hf://org/model -n models', 'which cache it would have, by a dry run on the API server'],
        ['warm hf://org/model -n models --yes', 'do it, and wait until it is warm'],
      ],
      exits: { 1: 'the model has no cache, or is not warm in time' },
    },
  )
    .argument('<uri>', 'the URI of the model, as a service names it')
    .option('--service-account <name>', 'the service account that the services will have', 'default')
  addTimeoutFlag(addYesFlag(command), 'the cache', 7_200_000)
  addScopeFlags(command, { all: false }).action(async (uri: string, flags: WarmFlags) => {
    const { runWarm } = await import('./warm.ts')
    const { yes = false, serviceAccount, timeout: timeoutMs } = flags
    const options = { uri, yes, serviceAccount, timeoutMs }
    exit(
      await withCluster(flags, ({ namespace = '', ...cluster }) =>
        runWarm({ ...cluster, ...options, namespace }, terminal),
      ),
    )
  })
}

interface MirrorFlags extends ScopeFlags {
  yes?: true
  mirror?: string
  olderThan: number
  timeout: number
}

export function addMirror(program: Command, { terminal, exit }: Session): void {
  const command = addCommand(
    program,
    'mirror',
    'List what is in the mirrors that policies fill, and what uses it, or delete what nothing uses.',
    {
      examples: [
        ['mirror list -n models', 'sizes, which are complete, and who uses them'],
        ['mirror prune -n models', 'what nothing in this cluster uses'],
        ['mirror prune -n models --yes', 'delete it'],
        ['mirror prune hf/org/model@v1@ -n models --yes', 'one directory'],
      ],
      exits: { 1: 'a mirror could not be read, or a named directory cannot be deleted' },
    },
  )
    .addArgument(new Argument('<action>', 'what to do').choices(['list', 'prune']))
    .argument(
      '[directory...]',
      'directories to prune, as list prints them; without any: all that nothing uses',
    )
    .option('--mirror <uri>', 'only this mirror, if policies fill several')
    .addOption(
      new Option('--older-than <duration>', 'prune only what was not written since')
        .argParser(toDurationMs)
        .default(86_400_000, '24h'),
    )
  addTimeoutFlag(addYesFlag(command), 'the Job that lists or deletes', 3_600_000)
  addScopeFlags(command, { all: false }).action(
    async (action: 'list' | 'prune', directories: string[], flags: MirrorFlags) => {
      const { runMirror } = await import('./mirror.ts')
      const { yes = false, mirror, olderThan: olderThanMs, timeout: timeoutMs } = flags
      const options = { action, directories, yes, mirror, olderThanMs, timeoutMs }
      exit(
        await withCluster(flags, ({ namespace = '', ...cluster }) =>
          runMirror({ ...cluster, ...options, namespace }, terminal),
        ),
      )
    },
  )
}

interface AdoptFlags extends SelectorFlags {
  yes?: true
  output: 'text' | 'diff'
  parallel: number
  timeout: number
}

export function addAdopt(program: Command, { terminal, exit }: Session): void {
  const command = addCommand(
    program,
    'adopt',
    'Accelerate services that are older than the opt-in of their namespace, or than their policy.',
    {
      examples: [
        ['adopt -n models', 'what would be done, by a dry run on the API server'],
        ['adopt -n models -o diff', 'and what would change in each service'],
        ['adopt -n models --yes', 'do it, one service after the other'],
        ['adopt -A -l team=language --yes', 'by label, in all namespaces'],
      ],
      exits: { 1: 'a service could not be adopted, or is not Ready in time' },
    },
  ).argument('[service...]', 'services of one namespace; without any: all')
  addYesFlag(addOutputFlag(command, ['text', 'diff'], 'text'))
  addTimeoutFlag(addParallelFlag(command), 'the pods of a service', 2_700_000)
  addScopeFlags(addSelectorFlag(command, 'services'), { all: true }).action(
    async (services: string[], flags: AdoptFlags) => {
      const { runAdopt } = await import('./adopt.ts')
      refuseNamesInAll(services, flags)
      const { yes = false, output, parallel, timeout: timeoutMs } = flags
      const options = { yes, output, parallel, timeoutMs, selector: flags.selector?.text }
      exit(
        await withCluster(flags, ({ namespace, ...cluster }) =>
          runAdopt({ ...cluster, ...options, scope: { namespace, services } }, terminal),
        ),
      )
    },
  )
}

interface RestoreFlags extends SelectorFlags {
  yes?: true
  podsOnly?: true
  parallel: number
  timeout: number
  webhookConfiguration: string
}

export function addRestore(program: Command, { terminal, exit }: Session): void {
  const command = addCommand(
    program,
    'restore',
    'Release held pods, give services their manifests back, and delete the caches that no service uses then.',
    {
      examples: [
        ['restore -A', 'what would be done in the whole cluster'],
        ['restore -n models --yes', 'everything in one namespace'],
        ['restore llama bloom -n models --yes', 'two services'],
        ['restore -A --pods-only --yes', 'release every held pod, and change nothing else'],
      ],
      exits: { 1: 'something could not be undone: run it again' },
    },
  )
    .argument('[service...]', 'services of one namespace; without any: all')
    .option('--pods-only', 'only release held pods')
    .addOption(webhookOption())
  addTimeoutFlag(addParallelFlag(addYesFlag(command)), 'the pods of a service', 1_800_000)
  addScopeFlags(addSelectorFlag(command, 'services'), { all: true }).action(
    async (services: string[], flags: RestoreFlags) => {
      const { runRestore } = await import('./restore.ts')
      refuseNamesInAll(services, flags)
      const { podsOnly = false, parallel, timeout: timeoutMs, webhookConfiguration } = flags
      const options = {
        ...{ podsOnly, parallel, timeoutMs, webhookConfiguration },
        dryRun: flags.yes !== true,
        selector: flags.selector?.text,
      }
      exit(
        await withCluster(flags, ({ namespace, ...cluster }) =>
          runRestore({ ...cluster, ...options, scope: { namespace, services } }, terminal),
        ),
      )
    },
  )
}

function refuseNamesInAll(services: string[], { allNamespaces }: ScopeFlags): void {
  if (services.length > 0 && allNamespaces)
    throw new UsageError('services are named in one namespace: use -n instead of -A')
}

interface ReportFlags extends SelectorFlags {
  file?: string[]
  saving: number
  output: ReportFormat
}

export function addReport(program: Command, { terminal, exit }: Session): void {
  const command = addCommand(
    program,
    'report',
    'Show what downloads cost, service by service, from the pods that exist. Needs neither Warmgate nor Fluid.',
    {
      examples: [
        ['report -A', 'the whole cluster'],
        ['report -n chat -o csv', 'for a spreadsheet'],
        ['report -f pods.json', 'pods that kubectl get pods -A -o json wrote'],
      ],
    },
  ).option('-f, --file <file...>', 'pods from files instead of a cluster, or - for standard input')
  command.addOption(savingOption())
  addOutputFlag(command, reportFormats, 'table')
  addScopeFlags(addSelectorFlag(command, 'pods'), { all: true }).action(async (flags: ReportFlags) => {
    const { saving, output } = flags
    const { pods, problems, notes } = await readPods(flags, terminal)
    terminal.stdout.write(
      renderReport[output]({ services: reportDownloads(pods, saving), sources: reportSources(pods), saving }),
    )
    if (printNotes({ notes, problems }, terminal)) exit(2)
  })
}

/**
 * Pods from files or from the cluster. For files only `-n` selects a namespace, because there is no context.
 */
async function readPods({ file, ...flags }: ReportFlags, { stdin }: Streams) {
  if (file === undefined) {
    const { podsOfCluster } = await import('./report-cluster.ts')
    const pods = await withCluster(flags, (cluster) => podsOfCluster(cluster, flags.selector?.text))
    return { pods, notes: [], problems: [] }
  }
  const { matchesSelector } = await import('../policy/selector.ts')
  const { manifests, notes, problems } = await readManifests(file, stdin)
  const pods = manifests
    .map(({ object }) => object)
    .filter(({ kind }) => kind === 'Pod')
    .filter(({ metadata }) => flags.namespace === undefined || metadata.namespace === flags.namespace)
    .filter(({ metadata }) => matchesSelector(flags.selector?.terms ?? {}, metadata.labels ?? {}))
  return { pods, notes, problems }
}

interface DoctorFlags extends ClusterFlags {
  output: 'text' | 'json'
  probe?: string
  kserveNamespace?: string
  webhookConfiguration: string
}

export function addDoctor(program: Command, { terminal, exit }: Session): void {
  const command = addCommand(
    program,
    'doctor',
    'Check, line by line, what Warmgate needs to work. Changes nothing.',
    {
      examples: [
        ['doctor', 'all checks, and a dry run in the first namespace that is opted in'],
        ['doctor --probe models', 'with the dry run in another namespace'],
        ['doctor -o json', 'for a script'],
      ],
      exits: { 0: 'no check failed', 1: 'a check failed' },
    },
  )
    .option(
      '--probe <namespace>',
      'where a service is created as a dry run; without it: the first that is opted in',
    )
    .option('--kserve-namespace <name>', "the namespace of KServe's ConfigMap, as for serve")
    .addOption(webhookOption())
  addOutputFlag(command, ['text', 'json'], 'text')
  addClusterFlags(command).action(async (flags: DoctorFlags) => {
    const { runDoctor } = await import('./doctor.ts')
    const { webhookConfiguration: configuration, kserveNamespace, probe: probeNamespace } = flags
    const output = { stdout: terminal.stdout, format: flags.output }
    exit(
      await withCluster(flags, (cluster) =>
        runDoctor({ ...cluster, configuration, kserveNamespace, probeNamespace }, output),
      ),
    )
  })
}

function webhookOption(): Option {
  return new Option('--webhook-configuration <name>', "Warmgate's MutatingWebhookConfiguration").default(
    webhookConfiguration,
  )
}

interface SimulateFlags extends SelectorFlags {
  file?: string[]
  optIn?: true
  saving: number
  output: SimulateFormat
}

export function addSimulate(program: Command, { terminal, exit }: Session): void {
  const command = addCommand(
    program,
    'simulate',
    'Show what a policy would do to every service of a live cluster. Changes nothing.',
    {
      examples: [
        ['simulate -n models -f policy.yaml', 'a policy, on one namespace'],
        ['simulate -A --opt-in', 'the policies of the cluster, as if every namespace were opted in'],
        ['simulate -A -f policy.yaml -o json', 'for a script'],
      ],
      exits: { 1: 'a service would be denied' },
    },
  )
    .option(
      '-f, --file <file...>',
      'policies to try, in place of those of the same name; - for standard input',
    )
    .option('--opt-in', 'as if every namespace were opted in')
    .addOption(savingOption())
  addOutputFlag(command, ['table', 'wide', 'json'], 'table')
  addScopeFlags(addSelectorFlag(command, 'services'), { all: true }).action(async (flags: SimulateFlags) => {
    const { runSimulate } = await import('./simulate.ts')
    const { file: files = [], optIn = false, saving, output, selector } = flags
    const options = { files, optIn, saving, output, selector: selector?.text }
    exit(await withCluster(flags, (cluster) => runSimulate({ cluster, ...options }, terminal)))
  })
}

function savingOption(): Option {
  return new Option('--saving <percent>', 'what a warm cache is assumed to save of a download')
    .argParser(toShare)
    .default(publishedSaving, '80')
}

export function addExplain(program: Command, { terminal }: Session): void {
  addCommand(program, 'explain', 'Say what a reason means, and what to do about it.', {
    examples: [
      ['explain', 'all reasons'],
      ['explain CredentialsMissing', 'one of them'],
    ],
  })
    .addArgument(
      new Argument('[reason]', 'a reason, as in warnings, Events and plans')
        .choices(reasonNames)
        .argParser(toReason),
    )
    .action((reason: ExplainedReason | undefined) => {
      terminal.stdout.write(explain(reason))
    })
}
