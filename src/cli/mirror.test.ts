import { expect, test } from 'vitest'
import { openNamespace } from '../cluster/cluster.fake.ts'
import { fakeFilled } from '../fill/fill.fake.ts'
import { fillJob } from '../fill/job.ts'
import { FakeApi } from '../kube/api.fake.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type JsonObject, type KubeObject, listAt, objectAt } from '../values/object.ts'
import { type MirrorOptions, runMirror } from './mirror.ts'

const nowMs = Date.UTC(2030, 0, 10)
const uri = 's3://mirror/models/'
const secret: KubeObject = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace: 'models', name: 'mirror-access' },
  data: Object.fromEntries(
    ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'].map((name) => [
      name,
      Buffer.from(name).toString('base64'),
    ]),
  ),
}
const policy = (spec: JsonObject): KubeObject => ({
  apiVersion: 'warmgate.dev/v1alpha1',
  kind: 'AccelerationPolicy',
  metadata: { name: 'p', uid: 'p' },
  spec,
})
const rule = {
  match: ['hf://'],
  mirror: 's3://mirror/$(namespace)/',
  credentials: { secretName: 'mirror-access' },
}
const dataset = (mountPoint: string, owners: JsonObject[] = []): KubeObject => ({
  apiVersion: 'data.fluid.io/v1alpha1',
  kind: 'Dataset',
  metadata: { namespace: 'chat', name: `d-${mountPoint.length}`, ownerReferences: owners as never },
  spec: { mounts: [{ mountPoint }] },
})
const files = [
  ['100', '2030-01-01 00:00:00', 'hf/org/used@/m.bin'],
  ['1', '2030-01-01 00:00:00', '.warmgate/hf/org/used@.json'],
  ['2048', '2030-01-02 00:00:00', 'hf/org/free@/m.bin'],
  ['1', '2030-01-02 00:00:00', '.warmgate/hf/org/free@.json'],
  ['7', '2030-01-03 00:00:00', 'hf/org/half@/m.bin'],
  ['7', '2030-01-09 23:00:00', 'hf/org/young@/m.bin'],
]

function cluster({ spec = { sources: [{ ...rule, fill: {} }] } as JsonObject, ends = 'Complete' } = {}) {
  const clock = new FakeClock(nowMs)
  const api = new FakeApi({ now: () => clock.now() })
  const service = {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    name: 'bloom',
    uid: 's',
  }
  api.put(
    openNamespace,
    secret,
    policy(spec),
    dataset(`${uri}hf/org/used@/`, [service]),
    dataset('s3://other/x@'),
  )
  api.outputs.set('list', files.map((parts) => parts.join('\t')).join('\n'))
  // The Job ends when it is looked at, and its pod has run its container.
  const made: KubeObject[] = []
  api.before('get Job', ({ key }) => {
    const job = api.find('Job', { namespace: 'models', name: key.name ?? '' })
    if (job === undefined) return
    if (!made.some(({ metadata }) => metadata.name === job.metadata.name)) made.push(job)
    api.edit(
      'Job',
      { namespace: 'models', name: key.name ?? '' },
      {
        status: { conditions: [{ type: ends, status: 'True' }] },
      },
    )
    const labels = { 'batch.kubernetes.io/job-name': key.name ?? '' }
    const state = { terminated: { message: 'AccessDenied: token=abcdef' } }
    api.put({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'models', name: `${key.name}-x`, labels },
      spec: { containers: listAt(job, 'spec', 'template', 'spec', 'containers').slice(0, 1) },
      status: ends === 'Complete' ? { phase: 'Succeeded' } : { containerStatuses: [{ name: 'list', state }] },
    })
  })
  let text = ''
  const stdout = { write: (part: string) => (text += part) }
  const run = async (options: Partial<MirrorOptions> = {}) => {
    const running = runMirror(
      {
        ...{ client: api, clock, signal: new AbortController().signal, namespace: 'models', action: 'list' },
        ...{ directories: [], yes: false, olderThanMs: 86_400_000, timeoutMs: 60_000 },
        ...options,
      },
      { stdout },
    )
    await clock.advance(5_000)
    return await running
  }
  return { api, run, made, text: () => text }
}

test('list says what is there, how large it is, and what uses it', async () => {
  const { run, text, api, made } = cluster()
  expect(await run()).toBe(0)
  expect(text().split('\n')).toEqual([
    's3://mirror/models/:',
    'DIRECTORY      SIZE   FILES  STATE       WRITTEN               USED BY',
    'hf/org/free@   2 KiB  1      complete    2030-01-02T00:00:00Z  -',
    'hf/org/half@   7 B    1      incomplete  2030-01-03T00:00:00Z  -',
    'hf/org/used@   100 B  1      complete    2030-01-01T00:00:00Z  InferenceService chat/bloom',
    'hf/org/young@  7 B    1      incomplete  2030-01-09T23:00:00Z  -',
    '',
  ])
  const env = JSON.stringify(made[0])
  expect(env).toContain('"name":"mirror-access"')
  expect(objectAt(made[0], 'spec', 'template', 'spec').serviceAccountName).toBe('default')
  // Nothing stays behind.
  expect(api.all('Job')).toEqual([])
})

test('prune prints what nothing uses, and deletes nothing', async () => {
  const { run, text, made } = cluster()
  expect(await run({ action: 'prune' })).toBe(0)
  expect(text().split('\n').slice(1)).toEqual([
    'stays   1 more, written in the last 24h',
    'delete  hf/org/free@: 2 KiB, complete',
    'delete  hf/org/half@: 7 B, incomplete',
    'to delete: 2; run again with --yes. Other clusters may use them, too',
    '',
  ])
  expect(made).toHaveLength(1)
})

const pruned = (made: KubeObject[]) =>
  listAt(made[1], 'spec', 'template', 'spec', 'containers').flatMap((each) =>
    listAt(each, 'command').filter((word) => String(word).startsWith('/')),
  )

test('with --yes a Job deletes it', async () => {
  const { run, text, made } = cluster()
  expect(await run({ action: 'prune', yes: true })).toBe(0)
  expect(pruned(made)).toEqual(['/hf/org/free@/**', '/hf/org/half@/**'])
  expect(text()).toContain('deleted: 2\n')
})

test('what came into use meanwhile is not deleted', async () => {
  const { run, made, api } = cluster()
  let lists = 0
  api.before('list Dataset', () => {
    lists += 1
    if (lists === 2) api.put(dataset(`${uri}hf/org/free@/`))
  })
  await run({ action: 'prune', yes: true })
  expect(pruned(made)).toEqual(['/hf/org/half@/**'])
})

test('without anything left to delete there is no Job', async () => {
  const { run, made, api, text } = cluster()
  let lists = 0
  api.before('list Dataset', () => {
    lists += 1
    if (lists === 2) api.put(dataset(`${uri}hf/org/free@/`))
  })
  expect(await run({ action: 'prune', yes: true, directories: ['hf/org/free@'] })).toBe(1)
  expect(made).toHaveLength(1)
  expect(text()).toContain('nothing to delete: all of it has come into use')
})

test('a directory that is used, or is being filled, cannot be named', async () => {
  const { run, text, made, api } = cluster()
  const job = fillJob(fakeFilled({ path: 'hf/org/half@' }))
  api.put({ ...job, metadata: { ...job.metadata, name: 'half-0123456789-fill' } })
  const directories = ['hf/org/used@', 'hf/org/half@', 'hf/org/free@']
  expect(await run({ action: 'prune', yes: true, directories })).toBe(1)
  expect(text()).toContain('stays   hf/org/used@: used by InferenceService chat/bloom')
  expect(text()).toContain('stays   hf/org/half@: used by Job models/half-0123456789-fill')
  expect(pruned(made)).toEqual(['/hf/org/free@/**'])
})

test('a mirror that cannot be read says why, without its credentials', async () => {
  const { run, text, api } = cluster({ ends: 'Failed' })
  expect(await run()).toBe(1)
  expect(text()).toMatch(/Job models\/warmgate-mirror-\w+-list failed: AccessDenied: token=\*\*\*/)
  expect(api.all('Job')).toEqual([])
})

test.each([
  ['no rule that fills', { sources: [rule] }, 'no policy fills a mirror in namespace models'],
  [
    'another namespace',
    { namespaceSelector: { matchLabels: { a: 'b' } }, sources: [{ ...rule, fill: {} }] },
    'no policy',
  ],
  [
    'a Secret that does not exist',
    { sources: [{ ...rule, credentials: { secretName: 'gone' }, fill: {} }] },
    'CredentialsPending: ',
  ],
])('%s: no Job', async (_, spec, why) => {
  const { run, text, made } = cluster({ spec })
  expect(await run()).toBe(1)
  expect(text()).toContain(why)
  expect(made).toEqual([])
})
