import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { claimUri, readOriginal } from '../plan/service/original.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { printable } from '../values/text.ts'
import { parseManifests } from './manifests.ts'
import { toText } from './plan.ts'
import { main } from './program.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warmgate-plan-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

interface Outcome {
  status: number
  stdout: string
  stderr: string
}

/** Runs the command line with one manifest as standard input. */
async function warmgate(args: string[], stdin = ''): Promise<Outcome> {
  const outcome = { status: -1, stdout: '', stderr: '' }
  const status = await main(args, {
    stdin: Readable.from([stdin]),
    stdout: { write: (text) => (outcome.stdout += text) },
    stderr: { write: (text) => (outcome.stderr += text) },
  })
  return { ...outcome, status }
}

const planned = (text: string, format: string) => warmgate(['plan', '-f', '-', '-o', format], text)

interface Element extends JsonObject {
  reason: string
  service: KubeObject
  siblings: KubeObject[]
}

async function json(text: string): Promise<Element[]> {
  const { stdout, stderr } = await planned(text, 'json')
  expect(stderr).toBe('')
  return JSON.parse(stdout) as Element[]
}

/** The element of the first service. */
async function first(text: string): Promise<Element> {
  const [element] = await json(text)
  if (element === undefined) throw new Error('no service was planned')
  return element
}

const service = (name: string, uri: string, metadata = '') => `---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: ${name}, namespace: models${metadata}}
spec:
  predictor:
    model:
      modelFormat: {name: huggingface}
      storageUri: ${uri}
`
const llama = service('llama', 's3://models/llama')

const policy = (spec: string) => `---
apiVersion: warmgate.dev/v1alpha1
kind: AccelerationPolicy
metadata: {name: default}
spec: ${spec}
`

test('json: one element per service in input order, with the keys of the contract in theirs', async () => {
  const elements = await json(llama + service('onnx', 's3://models/model.onnx'))
  for (const element of elements) {
    expect(Object.keys(element)).toEqual([
      'kind',
      'namespace',
      'name',
      'decision',
      'reason',
      'message',
      'policy',
      'service',
      'siblings',
      'hold',
      'warnings',
    ])
  }
  const [accelerated, skipped] = elements
  expect(accelerated).toMatchObject({
    kind: 'InferenceService',
    namespace: 'models',
    name: 'llama',
    decision: 'accelerate',
    reason: 'Accelerated',
    policy: 'built-in',
    hold: { at: 'Readiness', timeout: '30m' },
    warnings: [],
  })
  expect(accelerated?.siblings.map(({ kind }) => kind)).toEqual(['Dataset', 'JindoRuntime', 'DataLoad'])
  const admitted = await first(llama).then(({ service }) => service)
  const cache = readOriginal(admitted)?.locations.predictor?.cache ?? ''
  expect(admitted.spec).toMatchObject({ predictor: { model: { storageUri: claimUri({ cache }) } } })
  expect(skipped).toEqual({
    kind: 'InferenceService',
    namespace: 'models',
    name: 'onnx',
    decision: 'skip',
    reason: 'SingleFileSource',
    message: 'model.onnx is a single file: a cache mounts directories',
    policy: 'built-in',
    service: parse(service('onnx', 's3://models/model.onnx').replace('---\n', '')),
    siblings: [],
    hold: null,
    warnings: [
      'warmgate: not accelerated (SingleFileSource): model.onnx is a single file: a cache mounts directories',
    ],
  })
})

test('json: hold is null where nothing waits, policy where none decided', async () => {
  const held = await first(llama + policy('{hold: {at: None}}'))
  expect(held).toMatchObject({ decision: 'accelerate', hold: null, policy: 'default' })
  const [optedOut] = await json(
    service('a', 's3://m/a', ', annotations: {warmgate.dev/acceleration: disabled}'),
  )
  expect(optedOut).toMatchObject({ reason: 'OptedOut', policy: null })
})

test('json: an LLMInferenceService has its element too', async () => {
  const element = await first(
    llama.replace('v1beta1', 'v1alpha2').replace('InferenceService', 'LLMInferenceService'),
  )
  expect(element).toMatchObject({ kind: 'LLMInferenceService', decision: 'skip' })
})

test('yaml, the default: what would be admitted and created, as input for kubectl', async () => {
  const { status, stdout } = await warmgate(['plan', '-f', '-'], llama)
  expect(status).toBe(0)
  const documents = parseAllDocuments(stdout)
  expect(documents.flatMap(({ errors }) => errors)).toEqual([])
  const element = await first(llama)
  expect(documents.map((document) => document.toJS())).toEqual([element.service, ...element.siblings])
  expect(stdout.split('---\n')[0]).toBe(
    `# InferenceService models/llama: accelerate, Accelerated: ${element.message} (policy built-in)\n` +
      '# pods wait at Readiness (warmgate.dev/cache-warm) for 30m at most\n',
  )
})

test('yaml: a service that is left alone, with its warning as a comment', async () => {
  const { stdout } = await planned(service('hub', 'hf://meta/llama'), 'yaml')
  expect(stdout).toMatch(
    /^# InferenceService models\/hub: skip, UnsupportedScheme: .* \(policy built-in\)\n# warmgate: not accelerated \(UnsupportedScheme\): /,
  )
  expect(parseAllDocuments(stdout).map((document) => document.toJS().kind)).toEqual(['InferenceService'])
})

test('diff: what changes, and what comes', async () => {
  const { status, stdout } = await planned(llama, 'diff')
  expect(status).toBe(0)
  expect(stdout).toContain('--- InferenceService/models/llama\n+++ InferenceService/models/llama\n@@')
  expect(stdout).toMatch(
    /\n-\s+storageUri: s3:\/\/models\/llama\n\+\s+storageUri: pvc:\/\/llama-[0-9a-f]{10}\n/,
  )
  for (const kind of ['Dataset', 'JindoRuntime', 'DataLoad']) {
    expect(stdout).toMatch(new RegExp(`--- /dev/null\\n\\+\\+\\+ ${kind}/models/llama-[0-9a-f]{10}\\n@@`))
  }
  const changed = stdout.split('\n').filter((line) => /^-[^-]/.test(line))
  expect(changed).toHaveLength(1)
})

const assumed =
  '# assumed, because the files do not say it: opted in: models; KServe has its shipped settings, in Standard mode; Fluid has every runtime\n'

test('diff: where nothing changes, why, and what a user would be warned of', async () => {
  const { stdout } = await planned(service('hub', 'hf://meta/llama'), 'diff')
  const [title, warned, ...rest] = stdout.split('\n')
  expect(title).toMatch(/^# InferenceService models\/hub: skip, UnsupportedScheme: /)
  expect(warned).toMatch(/^# warmgate: not accelerated \(UnsupportedScheme\): /)
  expect(rest.join('\n')).toBe(assumed)
})

test('diff: holds, and warnings', async () => {
  const labelled = llama.replace('namespace: models', 'namespace: models, labels: {warmgate.dev/hold: None}')
  const { stdout } = await planned(labelled, 'diff')
  expect(stdout).toMatch(/^# pods wait at Readiness \(warmgate\.dev\/cache-warm\) for 30m at most$/m)
  expect(stdout).toMatch(/^# warmgate: .*label.*warmgate\.dev\/hold/m)
})

test('diff: the record does not drown the changes', async () => {
  const { stdout } = await planned(llama, 'diff')
  expect(stdout).toMatch(/^\+ +warmgate\.dev\/original: \(the record, \d+ characters\)$/m)
  expect(
    Math.max(
      ...stdout
        .split('\n')
        .filter((line) => /^[-+ ]/.test(line))
        .map(({ length }) => length),
    ),
  ).toBeLessThan(200)
})

test('what is assumed is said once, and no more once the files say it', async () => {
  const account = (name: string) =>
    service(name, `s3://models/${name}`).replace('predictor:', 'predictor:\n    serviceAccountName: team')
  const { stdout } = await planned(account('a') + account('b'), 'yaml')
  expect(stdout.split('# assumed').length).toBe(2)
  expect(stdout.split('service account team is not among the files').length).toBe(2)
  expect(stdout.trimEnd().split('\n').at(-2)).toBe(assumed.trimEnd())
  const declared =
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: models, labels: {warmgate.dev/acceleration: enabled}}\n---\n' +
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: inferenceservice-config, namespace: kserve}\n'
  expect((await planned(declared + llama, 'yaml')).stdout).toMatch(
    /^# assumed, because the files do not say it: Fluid has every runtime$/m,
  )
})

test('-n is the namespace of manifests that name none, and -l selects services', async () => {
  const bare = llama.replace(', namespace: models', '')
  const named = await warmgate(['plan', '-f', '-', '-o', 'json', '-n', 'chat'], bare + llama)
  expect((JSON.parse(named.stdout) as Element[]).map((each) => each.namespace)).toEqual(['chat', 'models'])
  const policies = policy('{mode: Audit}')
  const some = await warmgate(
    ['plan', '-f', '-', '-o', 'json', '-l', 'team=a'],
    policies + llama + service('b', 's3://m/b', ', labels: {team: a}'),
  )
  expect((JSON.parse(some.stdout) as Element[]).map(({ name, reason }) => [name, reason])).toEqual([
    ['b', 'AuditOnly'],
  ])
})

test('--fail-on skip: status 1 where a service would be skipped', async () => {
  const status = async (text: string, ...flags: string[]) =>
    (await warmgate(['plan', '-f', '-', ...flags], text)).status
  const hub = service('hub', 'hf://meta/llama')
  expect(await status(llama + hub)).toBe(0)
  expect(await status(llama + hub, '--fail-on', 'deny')).toBe(0)
  expect(await status(llama + hub, '--fail-on', 'skip')).toBe(1)
  expect(await status(llama, '--fail-on', 'skip')).toBe(0)
  const admitted = (await planned(llama, 'yaml')).stdout
  expect(await status(admitted, '--fail-on', 'skip')).toBe(0)
  expect(await status(llama, '--fail-on', 'warning')).toBe(2)
})

test('the printed output, planned again, is AlreadyCached', async () => {
  const { stdout } = await planned(llama, 'yaml')
  const again = await first(stdout)
  expect(again).toMatchObject({ decision: 'skip', reason: 'AlreadyCached' })
  expect(again.siblings).toHaveLength(3)
})

test('the files beside the service are the facts', async () => {
  const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: models}\n'
  const [unlabelled, other] = await json(`${namespace}${llama}${llama.replace('models}', 'elsewhere}')}`)
  expect([unlabelled?.reason, other?.reason]).toEqual(['NotOptedIn', 'Accelerated'])
  const account = (namespace: string) =>
    `---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: ${namespace}}\nsecrets: [{name: keys}]\n`
  expect(await first(llama + account('models'))).toMatchObject({
    reason: 'CredentialsMissing',
    message: 'Secret keys is not among the files: add it to the files',
  })
  expect((await first(llama + account('elsewhere'))).reason).toBe('Accelerated')
  const config =
    '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: inferenceservice-config, namespace: kserve}\n' +
    'data: {credentials: \'{"s3":{"s3SecretAccessKeyName":"k","s3AccessKeyIDName":"i"}}\'}\n'
  const keys =
    '---\napiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: models}\nstringData: {i: a, k: b}\n'
  const configured = await first(llama + account('models') + config + keys)
  expect(JSON.stringify(configured.siblings)).toContain('"secretKeyRef":{"name":"keys","key":"k"}')
  const named = await first(llama)
  const claim = `---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: ${readOriginal(named.service)?.locations.predictor?.cache}, namespace: models`
  expect((await first(`${llama}${claim}}`)).reason).toBe('NameTaken')
  expect((await first(`${llama}${claim}, annotations: {CreatedBy: fluid}}`)).reason).toBe('Accelerated')
})

test('ClusterStorageContainers and runtimes among the files say what KServe does beside the service', async () => {
  const head = (kind: string, name: string) =>
    `---\napiVersion: serving.kserve.io/v1alpha1\nkind: ${kind}\nmetadata: {name: ${name}}\n`
  const storage = (prefix: string) => {
    const container = 'container: {image: corp/fetch:1}'
    return `${head('ClusterStorageContainer', 'corp')}spec: {${container}, supportedUriFormats: [{prefix: "${prefix}"}]}\n`
  }
  expect((await first(llama + storage('s3://'))).reason).toBe('CustomDownload')
  expect((await first(llama + storage('hf://'))).reason).toBe('Accelerated')
  const formats = 'supportedModelFormats: [{name: huggingface, autoSelect: true}]'
  const annotations = 'annotations: {storage.kserve.io/readonly: "false"}'
  const runtime = `${head('ClusterServingRuntime', 'r')}spec: {${formats}, ${annotations}}\n`
  expect((await first(llama + runtime)).reason).toBe('WritableModel')
})

test('a service without a namespace is in default', async () => {
  const element = await first(llama.replace(', namespace: models', ''))
  expect(element).toMatchObject({ namespace: 'default', decision: 'accelerate' })
  expect(element.siblings[0]?.metadata.namespace).toBe('default')
})

const id = 'hunter2-access-key-id'
const key = 'hunter2-access-key-secret'
const encoded = (text: string) => Buffer.from(text).toString('base64')
const secret = `---
apiVersion: v1
kind: Secret
metadata: {name: access, namespace: models}
data: {AWS_ACCESS_KEY_ID: ${encoded(id)}, S3_ENDPOINT: ${encoded('minio:9000')}}
stringData: {AWS_SECRET_ACCESS_KEY: ${key}}
`

test.each(['json', 'yaml', 'diff'])('%s: no value of a Secret is in it', async (format) => {
  const annotated = service(
    'llama',
    's3://models/llama',
    ', annotations: {serving.kserve.io/storageSecretName: access}',
  )
  const { stdout, stderr, status } = await planned(secret + annotated, format)
  expect(status).toBe(0)
  expect(stdout).toContain('AWS_SECRET_ACCESS_KEY')
  expect(stdout).toContain('minio:9000')
  for (const value of [id, key, encoded(id), encoded(key)]) expect(stdout + stderr).not.toContain(value)
})

test('nothing to plan is said, on standard error', async () => {
  const stderr =
    'warmgate: nothing is planned: no InferenceService or LLMInferenceService in these files is selected\n'
  expect(await planned(secret, 'json')).toEqual({ status: 0, stdout: '[]\n', stderr })
  expect(await planned('', 'yaml')).toEqual({ status: 0, stdout: '', stderr })
  expect(await warmgate(['plan', '-f', '-', '-l', 'a=b'], llama)).toEqual({ status: 0, stdout: '', stderr })
})

test('policies to try that are none are an error, not ignored', async () => {
  const file = join(folder, 'service.yaml')
  await writeFile(file, llama)
  const { status, stdout, stderr } = await warmgate(['plan', '-f', file, '--policy', file], '')
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toBe(`warmgate: WG001: ${file}: there is no AccelerationPolicy\n`)
})

test('status 1 if a service would be denied; the others are still printed', async () => {
  const denied = service('odd', 's3://models/odd', ', annotations: {warmgate.dev/hold: Never}')
  for (const format of ['json', 'yaml', 'diff']) {
    const { status, stdout } = await planned(denied + llama, format)
    expect(status).toBe(1)
    expect(stdout).toContain('use Auto, Readiness, Scheduling or None')
    expect(stdout).toContain('Accelerated')
  }
})

test.each([
  [
    'a policy with a field that does not exist',
    llama + policy('{modes: Enforce}'),
    /^warmgate: WG001: <stdin>:14: AccelerationPolicy default: spec: must not have additional properties \(modes\)\n$/,
  ],
  [
    'a policy with values that are not served',
    llama + policy('{mode: On, hold: {at: Start}}'),
    /^warmgate: WG001: <stdin>:14: AccelerationPolicy default: spec\.mode: must be .*; spec\.hold\.at: must be /,
  ],
  [
    'a policy that is off without quotes',
    llama + policy('{mode: Off}'),
    /^warmgate: WG001: <stdin>:14: AccelerationPolicy default: spec\.mode: .*; without quotes kubectl reads Off as false\n$/,
  ],
])('status 2, and the place: %s', async (_, text, message) => {
  const { status, stdout, stderr } = await planned(text, 'json')
  expect(status).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toMatch(message)
})

test('status 2 and the place of what cannot be read, after all the rest was printed', async () => {
  const text = `${llama}---\na: [1,\n${service('onnx', 's3://models/onnx')}`
  for (const format of ['json', 'yaml', 'diff']) {
    const { status, stdout, stderr } = await planned(text, format)
    expect([status, stderr.match(/^warmgate: WG001: <stdin>:1[0-9]: Flow sequence/g)?.length]).toEqual([2, 1])
    expect(stdout).toContain('llama')
    expect(stdout).toContain('onnx')
  }
  const denied = service('odd', 's3://models/odd', ', annotations: {warmgate.dev/hold: Never}')
  expect((await planned(`${denied}---\na: [1,\n`, 'json')).status).toBe(2)
})

test('a document that is not a Kubernetes object is skipped with a note, and the rest is planned', async () => {
  await writeFile(join(folder, 'kustomization.yaml'), 'resources: [service.yaml]\n')
  await writeFile(join(folder, 'values.yaml'), '# values\nreplicas: 1\n')
  await writeFile(join(folder, 'input.json'), '{"instances": [1]}')
  await writeFile(join(folder, 'service.yaml'), llama)
  const { status, stdout, stderr } = await warmgate(['plan', '-f', folder, '-o', 'json'])
  expect(status).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject([{ reason: 'Accelerated' }])
  const files = ['input.json:1', 'kustomization.yaml:1', 'values.yaml:2']
  expect(stderr).toBe(
    files
      .map(
        (file) =>
          `warmgate: ${folder}/${file}: skipped: not a Kubernetes object: it has no apiVersion and kind\n`,
      )
      .join(''),
  )
})

test.each([`\${URI}`, '"{{ x }}"', '<patch-me>', `s3://models/\${NAME}`, 's3://{{ x }}/a'])(
  'a model URI that is filled in later: %s',
  async (uri) => {
    const { status, stdout, stderr } = await planned(service('a', uri), 'json')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject([
      { reason: 'UnsafeUri', message: "the URI is a template's placeholder: fill it in first" },
    ])
    expect(stderr).toBe("warmgate: <stdin>:9: the model URI is a template's placeholder: fill it in first\n")
  },
)

test('configurations that are not among the files are warned about, and quotas are read', async () => {
  const llm = `apiVersion: serving.kserve.io/v1alpha2
kind: LLMInferenceService
metadata: {name: chat, namespace: models}
spec: {model: {uri: "s3://models/chat"}, baseRefs: [{name: base}]}
`
  const config = `---
apiVersion: serving.kserve.io/v1alpha2
kind: LLMInferenceServiceConfig
metadata: {name: base, namespace: models}
spec: {template: {}}
`
  expect(await first(llm)).toMatchObject({
    decision: 'accelerate',
    warnings: [expect.stringContaining('LLMInferenceServiceConfig base is not among the files')],
  })
  expect(await first(llm + config)).toMatchObject({ decision: 'accelerate', warnings: [] })
  expect(await first(llama.replace('storageUri', 'runtime: theirs\n      storageUri'))).toMatchObject({
    decision: 'accelerate',
    warnings: [],
  })
  const quota = `---
apiVersion: v1
kind: ResourceQuota
metadata: {name: team, namespace: models}
spec: {hard: {pods: "1"}}
`
  expect(await first(llama + quota)).toMatchObject({ decision: 'skip', reason: 'Quota' })
})

test('missing service accounts and Secrets are warned about, and the plan continues', async () => {
  const named = llama.replace('predictor:', 'predictor:\n    serviceAccountName: reader')
  const alone = await first(named)
  expect(alone).toMatchObject({ decision: 'accelerate' })
  expect(alone.warnings).toEqual([
    expect.stringContaining(
      'service account reader is not among the files, and is assumed to list no Secrets',
    ),
  ])
  const account = `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: models}
secrets: [{name: access}, {name: reader-dockercfg-x9k2p}]
`
  const exported = await first(named + account + secret)
  expect(exported).toMatchObject({ decision: 'accelerate' })
  expect(JSON.stringify(exported.siblings)).toContain('"secretKeyRef":{"name":"access"')
  expect(exported.warnings).toEqual([
    expect.stringContaining(
      'Secret reader-dockercfg-x9k2p, which service account reader lists, is not among the files: add it to the files',
    ),
  ])
  const pull = `---
apiVersion: v1
kind: Secret
type: kubernetes.io/dockercfg
metadata: {name: reader-dockercfg-x9k2p, namespace: models}
`
  expect(await first(named + account + pull)).toMatchObject({
    reason: 'CredentialsMissing',
    message: 'Secret access is not among the files: add it to the files',
  })
  const annotated = service('a', 's3://m/a', ', annotations: {serving.kserve.io/storageSecretName: own}')
  expect(await first(annotated)).toMatchObject({
    message: 'Secret own is not among the files: add it to the files',
  })
  const spec = llama.replace('storageUri: s3://models/llama', 'storage: {key: a, path: b}')
  expect(await first(spec)).toMatchObject({
    message: 'Secret storage-config is not among the files: add it to the files',
  })
})

test('the output means the same to a reader of YAML 1.1', () => {
  const words =
    'y n yes No ON off ~ null .inf 1_000 0777 0o7 0x10 0b1 1e3 .5 12:30 190:20:30.15 2026-01-01 = << +1 1. y:'
  const texts = [
    ...words.split(' '),
    '',
    ' a',
    'a ',
    'a\n',
    '\n',
    '- a',
    '# a',
    'a\u2028b',
    '\u{e0001}',
    'a\u0085b',
  ]
  const object = {
    apiVersion: 'v1',
    kind: 'Thing',
    metadata: { name: 'a' },
    texts,
    keys: Object.fromEntries(texts.map((text) => [text, text])),
  }
  const printed = toText(object)
  expect(parseManifests('f.yaml', printed)[0]?.object).toEqual(object)
  for (const text of words.split(' ')) expect(printed).toContain(`- ${JSON.stringify(text)}\n`)
  // go-yaml knows no pairs of surrogates.
  expect(printed).toContain('"\\U000e0001"')
})

test('a text is printed as it is written, a boolean as one', async () => {
  const env = '[{name: A, value: "y"}, {name: B, value: "0777"}]'
  const { stdout } = await planned(`${llama}      env: ${env}\n      on: yes\n`, 'yaml')
  expect(stdout).toContain('value: "y"')
  expect(stdout).toContain('value: "0777"')
  expect(stdout).toContain('"true": true')
})

test('status 2: a file that is not there, an option that is not known, none at all', async () => {
  expect(await warmgate(['plan', '-f', join(folder, 'gone.yaml')])).toEqual({
    status: 2,
    stdout: '',
    stderr: `warmgate: WG001: ${folder}/gone.yaml: no such file\n`,
  })
  expect((await warmgate(['plan', '-f', '-', '-o', 'xml'])).status).toBe(2)
  expect((await warmgate(['plan'])).status).toBe(2)
  expect((await warmgate(['plans'])).status).toBe(2)
})

test('help is no failure', async () => {
  const { status, stdout } = await warmgate(['plan', '--help'])
  expect(status).toBe(0)
  expect(stdout).toContain('--output <format>')
})

test('files and folders', async () => {
  await writeFile(join(folder, 'service.yaml'), llama)
  await writeFile(join(folder, 'policy.yaml'), policy('{mode: Audit}'))
  const one = await warmgate(['plan', '-f', join(folder, 'service.yaml'), '-o', 'json'])
  expect(JSON.parse(one.stdout)).toMatchObject([{ reason: 'Accelerated' }])
  const both = await warmgate(['plan', '-f', folder, '-o', 'json'])
  expect(JSON.parse(both.stdout)).toMatchObject([{ reason: 'AuditOnly', policy: 'default' }])
  const named = ['service.yaml', 'policy.yaml'].map((file) => join(folder, file))
  expect(await warmgate(['plan', '-o', 'json', '-f', ...named])).toEqual(both)
})

test('--policy tries a policy before it is applied, in place of one of its name', async () => {
  const [file, tried] = [join(folder, 'all.yaml'), join(folder, 'new.yaml')]
  await writeFile(file, policy('{mode: "Off"}') + llama)
  await writeFile(tried, policy('{cache: {replicas: 7}}'))
  const before = await warmgate(['plan', '-f', file, '-o', 'diff'])
  expect(before.stdout).toContain('NoPolicy')
  const after = await warmgate(['plan', '--policy', tried, '-f', file, '-o', 'diff'])
  expect(after.stdout).toContain('Accelerated')
  expect(after.stdout).toContain('+  replicas: 7')
})

test('without KServe’s configuration a service runs in Standard mode, which mounts a list of models', async () => {
  const list = `apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: listed}
spec: {predictor: {containers: [{name: own}], storageUris: [{uri: s3://models/a, mountPath: /mnt/a}]}}
`
  const config = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: inferenceservice-config, namespace: kserve}
data: {deploy: '{"defaultDeploymentMode": "Knative"}'}
`
  const reasons = async (text: string) => {
    await writeFile(join(folder, 'listed.yaml'), text)
    const { stdout } = await warmgate(['plan', '-f', join(folder, 'listed.yaml'), '-o', 'json'])
    return (JSON.parse(stdout) as { reason: string }[]).map(({ reason }) => reason)
  }
  expect(await reasons(list)).toEqual(['Accelerated'])
  expect(await reasons(list + config)).toEqual(['NoModelLocation'])
})

test('a Dataset in the files serves its mounts, and a foreign PersistentVolume blocks a cache with its name', async () => {
  const dataset = (more = '') => `---
apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata: {name: team, namespace: models}
spec: {mounts: [{mountPoint: "s3://models/", name: all}]}
${more}
`
  const bloom = service('bloom', 's3://models/bloom')
  const served = await first(`${bloom}\n${dataset()}`)
  expect(served).toMatchObject({ reason: 'Accelerated', siblings: [] })
  expect(JSON.stringify(served.service.spec)).toContain('pvc://team/all/bloom')
  const unbound = await first(`${bloom}\n${dataset('status: {phase: NotBound}')}`)
  expect(unbound.siblings.length).toBeGreaterThan(0)
  const name = unbound.siblings[0]?.metadata.name
  const taken = await first(`${bloom}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: models-${name}}
spec: {claimRef: {namespace: mod, name: els-${name}}}
`)
  expect(taken).toMatchObject({ reason: 'NameTaken', siblings: [] })
  const runtime = (labels: string) => `${bloom}
---
apiVersion: data.fluid.io/v1alpha1
kind: AlluxioRuntime
metadata: {name: ${name}, namespace: models, labels: {${labels}}}
`
  expect(await first(runtime(''))).toMatchObject({ reason: 'NameTaken' })
  const ours = await first(runtime('app.kubernetes.io/managed-by: warmgate'))
  expect(ours).toMatchObject({ reason: 'Accelerated' })
})

test('access to a shared Dataset is assumed, with a warning', async () => {
  const lends = policy(
    '{ sources: [{ match: ["s3://models/"], dataset: { namespace: shared, name: all } }] }',
  )
  const dataset = `---
apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata: {name: all, namespace: shared}
spec: {mounts: [{mountPoint: "s3://models/", path: /}]}
`
  const made = await first(lends + dataset + llama)
  expect(made.siblings.map(({ kind }) => kind)).toEqual(['Dataset'])
  expect(JSON.stringify(made.siblings)).toContain('dataset://shared/all/llama')
  expect(made.warnings).toEqual([
    expect.stringContaining('dataset://shared/all/llama is assumed to be granted'),
  ])
  const { stdout } = await planned(lends + dataset + llama, 'yaml')
  expect(stdout).toContain('# warmgate: dataset://shared/all/llama is assumed to be granted')
  expect(await first(lends + llama)).toMatchObject({ reason: 'RuntimeUnavailable', siblings: [] })
})

test('scope: Cluster as the webhook has it: unlabelled namespaces, not those opted out, never the system’s', async () => {
  const namespaces = { silent: '{}', shut: '{ warmgate.dev/acceleration: disabled }', kserve: '{}' }
  const manifests = Object.entries(namespaces).map(
    ([name, labels]) => `---
apiVersion: v1
kind: Namespace
metadata: { name: ${name}, labels: ${labels} }
${llama.replace('namespace: models', `namespace: ${name}`)}`,
  )
  const elements = await json([policy('{ scope: Cluster }'), ...manifests].join('\n'))
  expect(elements.map(({ reason }) => reason)).toEqual(['Accelerated', 'OptedOut', 'OptedOut'])
})

test.each(['yaml', 'json', 'diff'])(
  '%s: what a file holds cannot move the cursor, and is read back as it was',
  async (format) => {
    const evil = 'a\u001b[2J\u009b31m\u202e\u2066b\nforged\t"'
    const bidi = 'a\u202eb'
    const [note, other] = [evil, bidi].map((text) => printable(JSON.stringify(text)))
    const metadata = `, annotations: {note: ${note}, bidi: ${other}, ${note}: b}`
    const uri = printable(JSON.stringify(`s3://models/${evil}`))
    for (const text of [service('llama', 's3://models/llama', metadata), service('llama', uri, metadata)]) {
      const { stdout } = await planned(text, format)
      expect(stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
      expect(stdout).not.toMatch(/^forged/m)
      if (format === 'diff') continue
      const made =
        format === 'json'
          ? (JSON.parse(stdout) as Element[])[0]?.service
          : (parseAllDocuments(stdout)[0]?.toJS() as KubeObject)
      expect(made?.metadata.annotations).toMatchObject({ note: evil, bidi, [evil]: 'b' })
    }
  },
)
