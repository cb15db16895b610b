import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fakeDataset } from '../cluster/cluster.fake.ts'
import { FakeApi } from '../kube/api.fake.ts'
import { fakeService } from '../plan/plan.fake.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { accelerated } from './restore.fixture.ts'
import { runSimulate, type SimulateOptions } from './simulate.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warmgate-simulate-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

const namespace = (name: string, labels = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
})
const open = { 'warmgate.dev/acceleration': 'enabled' }
const service = (name: string, uri: string, metadata: JsonObject = {}) =>
  fakeService({ model: { modelFormat: { name: 'sklearn' }, storageUri: uri } }, { name, ...metadata })

/** A pod whose storage initializer ran for five minutes. */
function downloading(name: string): KubeObject {
  const times = { startedAt: '2026-11-24T10:00:00Z', finishedAt: '2026-11-24T10:05:00Z' }
  const labels = { 'serving.kserve.io/inferenceservice': name, component: 'predictor' }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${name}-0`, namespace: 'models', labels },
    spec: { containers: [{ name: 'kserve-container' }] },
    status: {
      initContainerStatuses: [
        { name: 'storage-initializer', state: { terminated: { exitCode: 0, ...times } } },
      ],
    },
  }
}

const config: KubeObject = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'inferenceservice-config', namespace: 'kserve' },
  data: { deploy: '{"defaultDeploymentMode": "Standard"}' },
}

function scene(...objects: KubeObject[]) {
  const api = new FakeApi()
  api.missing.add('llminferenceservices')
  api.served.set('data.fluid.io/v1alpha1', ['datasets', 'dataloads', 'jindoruntimes'])
  api.put(config, ...objects)
  const run = async (
    options: Partial<Omit<SimulateOptions, 'cluster'>> & { namespace?: string | undefined } = {},
  ) => {
    const outcome = { stdout: '', stderr: '' }
    const { namespace: where = 'models', ...rest } = options
    const { signal } = new AbortController()
    const cluster = { client: api, signal, namespace: where === '' ? undefined : where }
    const status = await runSimulate(
      { cluster, files: [], optIn: false, saving: 0.8, output: 'table', ...rest },
      {
        stdin: Readable.from(['']),
        stdout: { write: (text) => (outcome.stdout += text) },
        stderr: { write: (text) => (outcome.stderr += text) },
      },
    )
    return { ...outcome, status }
  }
  return { api, run }
}

async function policyFile(spec: JsonObject, name = 'new'): Promise<string> {
  const file = join(folder, `${name}.yaml`)
  const policy = { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy', metadata: { name }, spec }
  await writeFile(file, JSON.stringify(policy))
  return file
}

const models = () => [
  namespace('models', open),
  service('llama', 's3://models/llama'),
  service('twin', 's3://models/llama'),
  service('hub', 'hf://meta/llama'),
  downloading('llama'),
  downloading('hub'),
]

test('a table of every service: what it is now, what it would be, and what that saves', async () => {
  const { api, run } = scene(...models())
  const { status, stdout, stderr } = await run({ files: [await policyFile({ cache: { replicas: 3 } })] })
  expect([status, stderr]).toEqual([0, ''])
  expect(
    stdout,
  ).toBe(`NAMESPACE  SERVICE  NOW  THEN        REASON             CACHE    HOLD           DOWNLOADING  SAVED
models     hub      -    skip        UnsupportedScheme  -        -              5m           -
models     llama    -    accelerate  Accelerated        150 GiB  Readiness 30m  5m           4m
models     twin     -    accelerate  Accelerated        150 GiB  Readiness 30m  -            -

2 of 3 would be accelerated if they were created today, from 1 cache with room for 150 GiB; downloads of 4m would be saved (an estimate, as in warmgate report)
`)
  expect(api.writes).toEqual([])
})

test('wide: by which policy, into which cache, and why', async () => {
  const { run } = scene(...models())
  const { stdout } = await run({ files: [await policyFile({})], output: 'wide' })
  expect(stdout.split('\n')[0]).toMatch(/SAVED +POLICY +CACHES +MESSAGE$/)
  expect(stdout).toMatch(/^models +llama .* new +llama-[0-9a-f]{10} +./m)
})

test('json', async () => {
  const { run } = scene(...models())
  const { stdout } = await run({ output: 'json' })
  const { services, total } = JSON.parse(stdout)
  expect(services[1]).toMatchObject({
    ...{ kind: 'InferenceService', namespace: 'models', name: 'llama', isAccelerated: false },
    ...{
      decision: 'accelerate',
      reason: 'Accelerated',
      policy: 'built-in',
      downloadSeconds: 300,
      savedSeconds: 240,
    },
    caches: [{ name: expect.stringMatching(/^llama-/), runtime: 'Jindo', bytes: 100 * 2 ** 30 }],
    hold: { at: 'Readiness', timeout: '30m' },
  })
  expect(total).toEqual({
    ...{ services: 3, accelerated: 2, caches: 1, cacheBytes: 100 * 2 ** 30 },
    ...{ downloadSeconds: 600, savedSeconds: 240 },
  })
})

test('a policy from a file takes the place of the cluster’s policy of its name', async () => {
  const off = {
    apiVersion: 'warmgate.dev/v1alpha1',
    kind: 'AccelerationPolicy',
    metadata: { name: 'new' },
    spec: { mode: 'Off' },
  }
  const { run } = scene(...models(), off)
  expect((await run()).stdout).toMatch(/^0 of 3 would be accelerated/m)
  expect((await run({ files: [await policyFile({})] })).stdout).toMatch(/^2 of 3 would/m)
})

test('the cluster decides: its labels, its runtimes, its accounts; --opt-in takes the labels for granted', async () => {
  const { api, run } = scene(namespace('models'), service('llama', 's3://models/llama'))
  expect((await run()).stdout).toContain('NotOptedIn')
  expect((await run({ optIn: true })).stdout).toContain('Accelerated')
  const named = fakeService(
    { serviceAccountName: 'gone', model: { storageUri: 's3://m/a' } },
    { name: 'named' },
  )
  api.put(named)
  expect((await run({ optIn: true })).stdout).toMatch(/named .*CredentialsPending/)
  api.served.clear()
  expect((await run({ optIn: true })).stdout).toMatch(/llama .*FluidMissing/)
})

test('an accelerated service is planned from its original manifest', async () => {
  const { run } = scene(namespace('models', open), accelerated(), fakeDataset())
  const { stdout } = await run({ files: [await policyFile({ mode: 'Audit' })] })
  expect(stdout).toMatch(/^models +llama +accelerated +skip +AuditOnly/m)
})

test('all namespaces, and labels', async () => {
  const { run } = scene(
    ...models(),
    namespace('chat', open),
    service('chatty', 's3://models/chat', { namespace: 'chat', labels: { team: 'a' } }),
  )
  expect((await run({ namespace: '' })).stdout).toMatch(/^3 of 4 would/m)
  expect((await run({ namespace: '', selector: 'team=a' })).stdout).toMatch(/^1 of 1 would/m)
  expect((await run({ namespace: 'empty' })).stdout).toBe('no service is there\n')
})

test('status 1 where a service would be denied; what may not be read is said', async () => {
  const annotations = { 'warmgate.dev/hold': 'Never' }
  const { api, run } = scene(...models(), service('odd', 's3://models/odd', { annotations }))
  api.fail('list Secret', 403)
  const { status, stdout, stderr } = await run()
  expect(status).toBe(1)
  expect(stdout).toMatch(/odd .*deny +InvalidOverride/)
  expect(stderr).toBe('warmgate: secrets cannot be read with your rights: taken for absent\n')
})

test('a policy that is not valid stops it, with the line of the field', async () => {
  const { run } = scene(...models())
  await expect(run({ files: [await policyFile({ mode: 'Sometimes' })] })).rejects.toThrow(
    /new\.yaml:1: .*spec\.mode/,
  )
})
