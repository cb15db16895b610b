import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { FakeApi } from '../kube/api.fake.ts'
import { KubeError } from '../kube/errors.ts'
import { fakeFacts } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import { caBundleOf, createBundle, toSecretData } from '../tls/bundle.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { checks } from './doctor/checks.ts'
import { mostItems, type ReaderOptions, readSnapshot } from './doctor/reader.ts'
import { healthy, nowMs, object } from './doctor/snapshot.fake.ts'
import { runDoctor } from './doctor.ts'
import { parseManifests } from './manifests.ts'

const bundle = await createBundle(nowMs)
const caBundle = Buffer.from(caBundleOf(bundle)).toString('base64')
const secret = object('Secret', 'warmgate-certificates', {
  metadata: { namespace: 'warmgate-system' },
  data: toSecretData(bundle),
})

/** The cluster of `healthy`, behind an API server whose admission is Warmgate's. */
function scene(...more: KubeObject[]) {
  const api = new FakeApi({ now: () => nowMs })
  const { lists, served } = healthy(caBundle)
  for (const reading of Object.values(lists)) if (reading.kind === 'read') api.put(...reading.items)
  api.put(secret, ...more)
  for (const each of served) {
    const [group = '', version = '', plural = ''] = each.split('/')
    const key = `${group}/${version}`
    api.served.set(key, [...(api.served.get(key) ?? []), plural])
  }
  const denied = new Set<string>()
  api.admit = ({ object: asked, warn }) => {
    if (asked.kind === 'SubjectAccessReview') {
      const { verb, resource } = objectAt(asked, 'spec', 'resourceAttributes')
      return { ...asked, status: { allowed: !denied.has(`${verb} ${resource}`) } }
    }
    if (asked.kind !== 'InferenceService') return asked
    const made = plan({ service: asked, facts: fakeFacts() })
    for (const text of made.warnings) warn(text)
    return made.service
  }
  let output = ''
  const clock = new FakeClock(nowMs)
  const { signal } = new AbortController()
  const options = (changed: Partial<ReaderOptions> = {}): ReaderOptions => ({
    ...{ client: api, clock, signal, configuration: 'acceleration.warmgate.dev' },
    ...changed,
  })
  const run = async (format: 'text' | 'json' = 'text', changed = {}) => {
    output = ''
    const stdout = { write: (text: string) => (output += text) }
    return { status: await runDoctor(options(changed), { stdout, format }), output }
  }
  return { api, denied, run, read: () => readSnapshot(options()) }
}

test('one line per check, all green, and nothing is written', async () => {
  const { api, run } = scene()
  const { status, output } = await run()
  await expect(output.replace(/has CN=.*, valid/, 'has …, valid')).toMatchFileSnapshot('doctor/healthy.txt')
  expect(status).toBe(0)
  expect(output).toContain(
    '✓ admission     a service in models (dry run) reached Warmgate and was accelerated',
  )
  const written = api.calls.filter(
    ({ isWritten, resource }) => isWritten && resource.kind !== 'SubjectAccessReview',
  )
  expect(written).toEqual([])
})

test('a failed check says what to do, and the status is 1', async () => {
  const { api, denied, run } = scene()
  api.drop('Service', { namespace: 'warmgate-system', name: 'warmgate' })
  denied.add('watch pods')
  const { status, output } = await run()
  expect(status).toBe(1)
  expect(output).toContain(
    '✗ Service       there is no Service warmgate-system/warmgate → apply install.yaml again\n',
  )
  expect(output).toMatch(/^✗ rights .* may not watch pods → apply /m)
  expect(output).toMatch(/\n2 failed\n$/)
})

test('-o json', async () => {
  const { api, run } = scene()
  const well = JSON.parse((await run('json')).output)
  expect(well).toMatchObject({ ok: true, cut: [] })
  expect(well.checks[0]).toEqual({
    check: 'KServe',
    status: 'ok',
    message: 'v0.20.0 in kserve, Standard by default',
  })
  api.drop('Service', { namespace: 'warmgate-system', name: 'warmgate' })
  const { checks, ok } = JSON.parse((await run('json')).output)
  expect(ok).toBe(false)
  expect(checks.find(({ check }: { check: string }) => check === 'Service')).toMatchObject({
    status: 'failed',
    todo: 'apply install.yaml again',
  })
})

test('without a right a check is unknown, which is no failure; without an API server there is no answer', async () => {
  const { api, run } = scene()
  const forbid = (call: string, status: number) =>
    api.before(call, () => {
      throw new KubeError(call, { status, message: 'no' })
    })
  const allow = forbid('list Node', 403)
  const { status, output } = await run()
  expect(status).toBe(0)
  expect(output).toMatch(/^\? GPUs .*list Node: no \(HTTP 403\) → run it as a user who may read that$/m)
  expect(output).toMatch(/\n3 could not be checked\n$/)
  allow()
  forbid('list Node', 0)
  await expect(run()).rejects.toThrow('list Node: no')
})

test('--probe names another namespace; one that does not reach Warmgate is red', async () => {
  const { api, run } = scene()
  const { output } = await run('text', { probeNamespace: 'chat' })
  expect(output).toMatch(/^✓ admission +a service in chat/m)
  expect(api.calls.at(-1)).toMatchObject({ isDryRun: true, key: { namespace: 'chat' } })
  api.admit = ({ object: asked }) => ({ ...asked, status: { allowed: true } })
  expect(await run()).toMatchObject({
    status: 1,
    output: expect.stringMatching(/^✗ admission .*did not reach/m),
  })
})

test('a refused probe, a cluster without KServe, and one without an open namespace', async () => {
  const { api, run } = scene()
  api.admit = ({ object: asked }) => {
    if (asked.kind === 'InferenceService')
      throw new KubeError('create', { status: 403, message: 'gatekeeper' })
    return { ...asked, status: { allowed: true } }
  }
  expect((await run()).output).toMatch(/^\? admission .*was refused: create: gatekeeper/m)
  api.drop('Namespace', { name: 'models' })
  expect((await run()).output).toMatch(/^\? admission .*no namespace is opted in/m)
  api.served.clear()
  expect((await run()).output).toMatch(/^\? admission .*without KServe/m)
})

test('no private key is kept, and lists are cut', async () => {
  const many = Array.from({ length: mostItems + 1 }, (_, index) => object('Namespace', `n-${index}`))
  const { read, run } = scene(...many)
  const snapshot = await read()
  expect(JSON.stringify(snapshot)).not.toContain(stringAt(secret, 'data', 'ca1.key'))
  expect(snapshot.lists.certificates).toMatchObject({ items: [{ data: { 'ca1.crt': expect.any(String) } }] })
  expect(snapshot.lists.namespaces).toMatchObject({ isCut: true })
  expect((await run()).output).toMatch(/only the first 5000 of these were read: namespaces\n$/)
})

test('docs/doctor.md has a row for every check, and a role for every call', async () => {
  const page = await readFile(new URL('../../docs/doctor.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| ([A-Za-z]+) +\| [a-z]/gm)]
    .map(([, name]) => name)
    .filter((name) => name !== 'check')
  expect(rows).toEqual(checks.map(({ name }) => name))
  const { api, run } = scene()
  await run()
  const role = parseManifests('role', /```yaml\n([^`]*)```/.exec(page)?.[1] ?? '')[0]?.object
  const may = listAt(role, 'rules').flatMap((rule) =>
    listAt(rule, 'apiGroups').flatMap((group) =>
      listAt(rule, 'resources').flatMap((plural) =>
        listAt(rule, 'verbs').map((verb) => `${verb} ${group}/${plural}`),
      ),
    ),
  )
  const calls = api.calls.map(({ verb, resource: { group, plural } }) => `${verb} ${group}/${plural}`)
  expect([...new Set(calls)].filter((call) => !call.startsWith('discover')).toSorted()).toEqual(
    may.toSorted(),
  )
})
