import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { createProgram, main, programName } from './program.ts'

let folder: string
let server: Server
let kubeconfig: string
const requests: string[] = []
const names: { [plural: string]: string[] } = {}
/** The status of each response. */
let answers = 200

/** A cluster in which nothing is, and a kubeconfig with two contexts. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warmgate-cli-'))
  server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://cluster')
    const selector = url.searchParams.get('labelSelector')
    requests.push(`${request.method} ${url.pathname}${selector === null ? '' : ` ${selector}`}`)
    response.writeHead(answers, { 'content-type': 'application/json' })
    // Lists that are empty, but for two namespaces and a service; and what is served.
    const last = url.pathname.split('/').at(-1) ?? ''
    const items = (names[last] ?? []).map((each) => ({ metadata: { name: each } }))
    const served = [{ name: 'inferenceservices' }]
    const metadata = { resourceVersion: '1' }
    response.end(JSON.stringify({ kind: 'List', metadata, items, resources: served, message: 'no' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  kubeconfig = join(folder, 'config')
  const { port } = server.address() as AddressInfo
  const insecure = { 'insecure-skip-tls-verify': true }
  const dead = { name: 'dead', cluster: { server: 'http://127.0.0.1:1', ...insecure } }
  await writeFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'models',
      clusters: [{ name: 'here', cluster: { server: `http://127.0.0.1:${port}`, ...insecure } }, dead],
      users: [{ name: 'me', user: {} }],
      contexts: [
        { name: 'models', context: { cluster: 'here', user: 'me', namespace: 'models' } },
        { name: 'plain', context: { cluster: 'here', user: 'me' } },
        { name: 'dead', context: { cluster: 'dead', user: 'me' } },
      ],
    }),
  )
})

afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true })
})

async function warmgate(args: string[], name?: string) {
  const outcome = { stdout: '', stderr: '' }
  requests.length = 0
  answers = 200
  const status = await main(
    args,
    {
      stdin: Readable.from(['']),
      stdout: { write: (text) => (outcome.stdout += text) },
      stderr: { write: (text) => (outcome.stderr += text) },
    },
    name,
  )
  return { ...outcome, status }
}

const here = () => ['--kubeconfig', kubeconfig]

test.each<[string, string[], RegExp]>([
  ['the context’s own namespace', [], /namespaces\/models\/pods/],
  ['-n', ['-n', 'chat'], /namespaces\/chat\/pods/],
  ['--namespace', ['--namespace=chat'], /namespaces\/chat\/pods/],
  ['--context, and default where it has no namespace', ['--context', 'plain'], /namespaces\/default\/pods/],
  ['-A', ['-A'], /v1\/pods/],
  ['--all-namespaces', ['--all-namespaces'], /v1\/pods/],
  ['-l', ['-l', 'team in (a,b),!old'], / serving.kserve.io\/inferenceservice,team in \(a,b\),!old$/m],
])('report reads %s', async (_, flags, expected) => {
  expect(await warmgate(['report', ...flags, ...here()])).toMatchObject({ status: 0, stderr: '' })
  expect(requests.join('\n')).toMatch(expected)
})

test.each([
  ['adopt', ['-l', 'a=b'], /namespaces\/models\/inferenceservices a=b$/m],
  ['adopt', ['-A'], /v1beta1\/inferenceservices$/m],
  ['restore', ['-l', 'a=b'], /namespaces\/models\/inferenceservices a=b$/m],
  ['restore', ['-A', '--pods-only'], /v1\/pods/],
  ['simulate', ['-n', 'chat', '-l', 'a=b'], /namespaces\/chat\/inferenceservices a=b$/m],
  ['simulate', ['-A', '--opt-in', '--saving', '50', '-o', 'wide'], /v1beta1\/inferenceservices$/m],
  ['status', [], /namespaces\/models\/datasets$/m],
  ['status', ['-A'], /v1alpha1\/datasets$/m],
])('%s %j', async (command, flags, expected) => {
  expect(await warmgate([command, ...flags, ...here()])).toMatchObject({ status: 0, stderr: '' })
  expect(requests.join('\n')).toMatch(expected)
  expect(requests.filter((request) => !request.startsWith('GET'))).toEqual([])
})

test('doctor: where it looks, and where it tries', async () => {
  const flags = [
    '--probe',
    'chat',
    '--kserve-namespace',
    'serving',
    '--webhook-configuration',
    'mine',
    '-o',
    'json',
  ]
  const { status, stdout } = await warmgate(['doctor', ...flags, ...here()])
  const messages = (JSON.parse(stdout).checks as { message: string }[]).map(({ message }) => message)
  expect(status).toBe(1)
  expect(messages).toContainEqual(expect.stringMatching(/ConfigMap is in no namespace, and not in serving$/))
  expect(messages).toContainEqual(expect.stringMatching(/no MutatingWebhookConfiguration mine:/))
  expect(requests.at(-1)).toBe('POST /apis/serving.kserve.io/v1beta1/namespaces/chat/inferenceservices')
})

test('completion asks the cluster that the words choose, and is silent without one', async () => {
  const completed = async (...words: string[]) => (await warmgate(['__complete', '--', ...words])).stdout
  names.namespaces = ['models', 'chat']
  names.inferenceservices = ['llama', 'llama']
  try {
    expect(await completed('status', ...here(), '-n', '')).toBe('chat\nmodels\n:4\n')
    expect(await completed('adopt', ...here(), '-n', 'chat', '')).toBe('llama\n:4\n')
    expect(requests.join()).toContain('/namespaces/chat/inferenceservices')
    expect(await completed('status', ...here(), '--context', '')).toBe('dead\nmodels\nplain\n:4\n')
    expect(await completed('status', ...here(), '--context', 'dead', '-n', '')).toBe(':4\n')
  } finally {
    delete names.namespaces
    delete names.inferenceservices
  }
})

test.each<[string, string[], RegExp]>([
  [
    'a context that does not exist',
    ['--context', 'prod'],
    /^warmgate: WG011: there is no context prod: use one of models, plain, dead\n$/,
  ],
  [
    'a kubeconfig that does not exist',
    ['--kubeconfig', '/nowhere'],
    /^warmgate: WG011: the kubeconfig cannot be read: /,
  ],
  [
    'an API server that is not reached',
    ['--context', 'dead'],
    /^warmgate: WG010: list pods in default: .*; is the API server reached\? /,
  ],
  ['a selector that is none', ['-l', 'a=b=c'], /WG002: .*write it like app=llama/],
  ['a namespace that is empty', ['-n', ''], /WG002: .*write the name of a namespace/],
  ['a flag that does not exist', ['--all'], /WG002: unknown option '--all'/],
])('%s: status 2, with a code and what to do', async (_, flags, message) => {
  const { status, stdout, stderr } = await warmgate(['report', ...here(), ...flags])
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(message)
})

test.each([
  [401, 'log in again'],
  [403, 'ask an administrator'],
])('what to do about a %i', async (code, advice) => {
  const running = warmgate(['report', ...here()])
  answers = code
  expect((await running).stderr).toMatch(new RegExp(`^warmgate: WG010: list pods.*HTTP ${code}.*${advice}`))
})

test('services are named in one namespace', async () => {
  for (const command of ['adopt', 'restore'])
    expect(await warmgate([command, 'llama', '-A', ...here()])).toMatchObject({
      status: 2,
      stderr: /-n instead/,
    })
})

test.each([
  ['30m', 0],
  ['1h30m', 0],
  ['1800000', 2],
  ['a while', 2],
])('a duration is written like %s: status %i', async (text, status) => {
  expect((await warmgate(['adopt', '--timeout', text, ...here()])).status).toBe(status)
})

test('--version', async () => {
  expect(await warmgate(['--version'])).toEqual({ status: 0, stdout: `${packageJson.version}\n`, stderr: '' })
})

test('as kubectl’s plugin it says so', async () => {
  expect(programName('/usr/local/bin/kubectl-warmgate')).toBe('kubectl warmgate')
  expect(programName('C:\\bin\\kubectl-warmgate.mjs')).toBe('kubectl warmgate')
  expect(programName('/opt/kubectl-warmgate/dist/warmgate.mjs')).toBe('warmgate')
  const { stdout } = await warmgate(['adopt', '--help'], 'kubectl warmgate')
  expect(stdout).toMatch(/^Usage: kubectl warmgate adopt /)
  expect(stdout).toContain('  kubectl warmgate adopt -n models --yes ')
})

/** One thing has one flag: a flag has the same short form, value and description in every command. */
test('a flag means the same in every command', () => {
  const terminal = { stdin: Readable.from(['']), stdout: { write: () => {} }, stderr: { write: () => {} } }
  const program = createProgram('warmgate', { terminal, exit: () => {} })
  const shared = ['--namespace', '--all-namespaces', '--context', '--kubeconfig', '--yes', '--parallel']
  const options = program.commands
    .filter((command) => !['serve', 'plan'].includes(command.name()))
    .flatMap((command) => command.options.filter(({ long }) => shared.includes(long ?? '')))
  for (const flag of shared) {
    const forms = options.filter(({ long }) => long === flag)
    expect(forms.length).toBeGreaterThan(1)
    expect(new Set(forms.map(({ flags, description }) => `${flags} ${description}`)).size).toBe(1)
  }
})

test('docs/cli.md is what --help prints', async () => {
  const { stdout } = await warmgate(['--help'])
  const names = [...stdout.matchAll(/^ {2}([a-z]+) .*$/gm)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'help')
  expect(names).toContain('plan')
  const pages = await Promise.all(names.map(async (name) => (await warmgate([name, '--help'])).stdout))
  const sections = names.map(
    (name, index) => `## ${name}\n\n\`\`\`text\n${withoutCommon(pages[index] ?? '').trimEnd()}\n\`\`\`\n`,
  )
  const page = [introduction, ...sections].join('\n')
  await expect(page).toMatchFileSnapshot('../../docs/cli.md')
  expect(Math.max(...page.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(120)
})

/** What the introduction says once: flags and exit statuses that mean the same in every command. */
const common = [
  /^ {2}-n, --namespace <name> +the namespace; without it: that of the kubeconfig's context\n/m,
  /^ {2}-A, --all-namespaces +all namespaces\n/m,
  /^ {2}--context <name> +the kubeconfig's context; without it: the current one\n/m,
  /^ {2}--kubeconfig <file> +the kubeconfig; without it: KUBECONFIG or ~\/\.kube\/config\n/m,
  /^ {2}-l, --selector <labels> +only (?:services|pods) with these labels: a=b, a!=b, a, !a, "a in \(b,c\)"\n/m,
  /^ {2}-y, --yes +do it; without it: print what would be done\n/m,
  /^ {2}-h, --help +display help for command\n/m,
  /^ {2}0 {2}done\n/m,
  /^ {2}2 {2}wrong usage, input that cannot be read, or no cluster\n?/m,
  / \(choices: "Accelerated"[^)]*\)/,
]

function withoutCommon(help: string): string {
  const rest = common.reduce((text, line) => text.replace(line, ''), help)
  return rest.replaceAll(/^(?:Options|Exit status):\n(?=\n|$(?!\n))\n?/gm, '')
}

const introduction = `# Commands

What \`--help\` prints, without what commands have in common. \`npx vitest run -u --project unit
src/cli/conventions\` writes this page.

| flag, status                | meaning                                                                |
| --------------------------- | ---------------------------------------------------------------------- |
| \`-n\`, \`-A\`                  | one namespace, or all; without both: that of the kubeconfig's context  |
| \`-l\`                        | only objects with these labels: \`a=b\`, \`a!=b\`, \`a\`, \`!a\`, \`a in (b,c)\` |
| \`--context\`, \`--kubeconfig\` | which cluster; without both: as kubectl                                |
| \`-y\`, \`--yes\`               | do it; without it, print what would be done                            |
| exit status 0               | done                                                                   |
| exit status 2               | wrong usage, input that cannot be read, or no cluster                  |

Durations are written like \`90s\`, \`30m\` or \`1h30m\`. As a plugin of kubectl (a file or link \`kubectl-warmgate\` in
the \`PATH\`) the same commands are \`kubectl warmgate plan\` and so on. For kubectl's own completion, put this
beside it as \`kubectl_complete-warmgate\`:

\`\`\`text
#!/bin/sh
exec warmgate __complete -- "$@"
\`\`\`
`
