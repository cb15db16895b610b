import { expect, test } from 'vitest'
import { fakePod } from '../cluster/cluster.fake.ts'
import { type FakeAdmission, FakeApi } from '../kube/api.fake.ts'
import { fakeFacts, fakePolicy, fakeService } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type KubeObject, objectAt, stringAt } from '../values/object.ts'
import { type AdoptOptions, runAdopt } from './adopt.ts'

const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const facts = fakeFacts()

function old(name: string, uri = `s3://models/${name}`, more: Partial<KubeObject> = {}): KubeObject {
  const metadata = { name, namespace: 'models', uid: `uid-${name}` }
  return { ...fakeService({ model: { storageUri: uri } }, metadata), status: ready, ...more }
}

/** A cluster with the plan as its admission, and with a KServe that replaces the pods of adopted services. */
class Fixture {
  readonly api = new FakeApi()
  readonly clock = new FakeClock()
  readonly stuck = new Set<string>()
  /** False if the webhook does not respond. */
  isAnswered = true
  facts = facts
  output = ''

  constructor(...services: KubeObject[]) {
    this.api.missing.add('llminferenceservices')
    this.api.put(...services)
    this.api.admit = (request) => this.#admit(request)
  }

  /** The written services and the annotations that were set. */
  get writes(): string[] {
    return this.api.calls
      .filter(({ verb, isWritten }) => verb === 'patch' && isWritten)
      .map(({ key, body }) => {
        const annotations = Object.entries(objectAt(body, 'metadata', 'annotations'))
        return `${key.name} ${annotations.flatMap(([name, value]) => (value === null ? [] : name)).join()}`
      })
  }

  async run(options: Partial<AdoptOptions> = {}): Promise<number> {
    const scope = { namespace: 'models', services: [] }
    const { signal } = new AbortController()
    const defaults = { yes: false, output: 'text' as const, parallel: 1, timeoutMs: 60_000 }
    const base = { client: this.api, clock: this.clock, signal, scope }
    const write = (text: string) => (this.output += text)
    const running = runAdopt({ ...base, ...defaults, ...options }, { stdout: { write } })
    let isOver = false
    void running.then(() => (isOver = true))
    for (let step = 0; step < 200 && !isOver; step++) await this.clock.advance(1_000)
    return await running
  }

  uriOf(name: string): string | undefined {
    return stringAt(
      this.api.find('InferenceService', { namespace: 'models', name }),
      'spec',
      'predictor',
      'model',
      'storageUri',
    )
  }

  #admit({ object: service, before: previous, isDryRun, warn }: FakeAdmission): KubeObject {
    if (!this.isAnswered) return service
    const made = plan({ service, ...(previous && { previous }), facts: this.facts })
    for (const warning of made.warnings) warn(warning)
    if (isDryRun) return made.service
    const { name = '', annotations } = made.service.metadata
    const claims = (annotations?.['warmgate.dev/caches'] ?? '').split(',')
    const labels = { 'serving.kserve.io/inferenceservice': name, component: 'predictor' }
    const pod = fakePod({ name: `${name}-0`, claims, labels })
    this.api.put({ ...pod, status: this.stuck.has(name) ? {} : ready })
    return made.service
  }
}

test('without --yes it prints the result for each service, and changes nothing', async () => {
  const fixture = new Fixture(
    old('a'),
    old('hub', 'hf://meta/llama'),
    old('ill', 's3://m/ill', { status: {} }),
  )
  expect(await fixture.run()).toBe(0)
  expect(fixture.output).toMatch(
    /^adopt {2}InferenceService models\/a: s3:\/\/models\/a from cache a-[0-9a-f]{10}$/m,
  )
  expect(fixture.output).toMatch(
    /^stays {2}InferenceService models\/hub: not accelerated \(UnsupportedScheme\): /m,
  )
  expect(fixture.output).toContain('stays  InferenceService models/ill: it is not Ready now')
  expect(fixture.output).toContain('to adopt: 1; run again with --yes')
  expect(fixture.writes).toEqual([])
})

test('-o diff shows what is written', async () => {
  const fixture = new Fixture(old('a'))
  await fixture.run({ output: 'diff' })
  expect(fixture.output).toMatch(/^- +storageUri: s3:\/\/models\/a$/m)
  expect(fixture.output).toMatch(/^\+ +storageUri: pvc:\/\/a-/m)
})

test('with --yes one after another, each when the one before is back; and again it finds nothing to do', async () => {
  const fixture = new Fixture(old('a'), old('b'), old('c'))
  expect(await fixture.run({ yes: true })).toBe(0)
  expect(['a', 'b', 'c'].map((name) => fixture.uriOf(name)?.slice(0, 6))).toEqual([
    'pvc://',
    'pvc://',
    'pvc://',
  ])
  expect(fixture.writes).toEqual(['a', 'b', 'c'].map((name) => `${name} warmgate.dev/adopt`))
  fixture.output = ''
  expect(await fixture.run({ yes: true })).toBe(0)
  expect(fixture.output).toBe('accelerated already: 3\nnothing to adopt\n')
  expect(fixture.writes).toHaveLength(3)
})

test('it stops at the first that does not come back', async () => {
  const fixture = new Fixture(old('a'), old('b'), old('c'))
  fixture.stuck.add('b')
  expect(await fixture.run({ yes: true })).toBe(1)
  expect(fixture.output).toContain('FAILED InferenceService models/b: pod b-0 is not Ready after 1m')
  expect(fixture.output).toContain('stopped; not started: 1; run it again to continue')
  expect(fixture.uriOf('c')).toBe('s3://models/c')
})

test('several at a time, if requested', async () => {
  const fixture = new Fixture(old('a'), old('b'), old('c'))
  for (const name of ['a', 'b']) fixture.stuck.add(name)
  expect(await fixture.run({ yes: true, parallel: 2 })).toBe(1)
  expect(fixture.writes).toHaveLength(2)
})

test('an interruption is reported, and no further service is started', async () => {
  const fixture = new Fixture(old('a'))
  expect(await fixture.run({ yes: true, signal: AbortSignal.abort() })).toBe(1)
  expect(fixture.output).toContain('stopped; not started: 1')
  expect(fixture.writes).toEqual([])
})

test('services by name; one that is not there is an error', async () => {
  const fixture = new Fixture(old('a'), old('b'))
  expect(await fixture.run({ yes: true, scope: { namespace: 'models', services: ['b'] } })).toBe(0)
  expect(fixture.uriOf('a')).toBe('s3://models/a')
  expect(await fixture.run({ scope: { namespace: 'models', services: ['x'] } })).toBe(1)
  expect(fixture.output).toContain('there is no service models/x')
})

test('a service that opts out stays, and one that a policy only audits is reported', async () => {
  const optedOut = old('out')
  optedOut.metadata.annotations = { 'warmgate.dev/acceleration': 'disabled' }
  const fixture = new Fixture(optedOut, old('a'))
  fixture.facts = fakeFacts({ policies: [fakePolicy('p', { mode: 'Audit' })] })
  await fixture.run({ yes: true })
  expect(fixture.output).toContain('models/out: it opts out')
  expect(fixture.output).toContain('models/a: not accelerated (AuditOnly)')
  expect(fixture.writes).toEqual([])
})

test('if the webhook does not respond, the request is removed again', async () => {
  const fixture = new Fixture(old('a'))
  fixture.isAnswered = false
  await fixture.run({ yes: true })
  expect(fixture.output).toContain('Warmgate did not see it')
})

test('a service that cannot be asked about keeps the others from nothing', async () => {
  const fixture = new Fixture(old('a'), old('b'))
  fixture.api.fail('patch InferenceService a', 403)
  expect(await fixture.run()).toBe(1)
  expect(fixture.output).toContain(
    'FAILED InferenceService models/a: patch InferenceService a dry run: refused (HTTP 403)',
  )
  expect(fixture.output).toMatch(/^adopt {2}InferenceService models\/b: /m)
  expect(await fixture.run({ yes: true })).toBe(1)
  expect(fixture.uriOf('b')).toMatch(/^pvc:/)
})

test('the content of a service cannot move the cursor or forge a line', async () => {
  const fixture = new Fixture(old('a', 's3://models/\u001b[2Ja\nadopted b\u202e'))
  await fixture.run({ output: 'diff' })
  expect(fixture.output).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
  expect(fixture.output).not.toMatch(/^adopted b/m)
})

test('by label: the services that it selects, and no others', async () => {
  const chosen = old('llama')
  const fixture = new Fixture(
    { ...chosen, metadata: { ...chosen.metadata, labels: { team: 'a' } } },
    old('bloom'),
  )
  expect(await fixture.run({ selector: 'team=a', yes: true })).toBe(0)
  expect(fixture.uriOf('llama')).toMatch(/^pvc:/)
  expect(fixture.uriOf('bloom')).toBe('s3://models/bloom')
})
