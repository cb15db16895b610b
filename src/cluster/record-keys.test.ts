import { expect, test } from 'vitest'
import { FakeApi } from '../kube/api.fake.ts'
import { createLogger } from '../telemetry/logger.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { RecordKeys } from './record-keys.ts'

/** The one Secret of a cluster, and replicas that share it. */
function setUp() {
  const client = new FakeApi()
  const clock = new FakeClock()
  const replica = (onChange = () => {}) =>
    new RecordKeys({ client, clock, logger: createLogger('silent'), namespace: 'warmgate-system', onChange })
  return { client, clock, replica }
}

const key = { namespace: 'warmgate-system', name: 'warmgate-record-keys' }
const secretOf = ({ client }: ReturnType<typeof setUp>) => client.find('Secret', key)
const dataOf = (at: ReturnType<typeof setUp>) => secretOf(at)?.data as { [key: string]: string }

test('the first replica makes the key, and all of them sign with it', async () => {
  const at = setUp()
  const [one, two] = [at.replica(), at.replica()]
  expect(one.missing).toContain('warmgate-record-keys')
  expect(() => one.sign('x')).toThrow('not read yet')
  await Promise.all([one.refresh(), two.refresh()])
  expect([one.missing, two.missing]).toEqual([undefined, undefined])
  expect(two.verify('statement', one.sign('statement'))).toBe(true)
  expect(two.verify('statement', one.sign('other'))).toBe(false)
  expect(two.verify('statement', '')).toBe(false)
  expect(one.sign('statement')).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(secretOf(at)).toMatchObject({ kind: 'Secret', type: 'Opaque' })
})

test('a signature proves only its own statement, however often it was verified', async () => {
  const keys = setUp().replica()
  await keys.refresh()
  const signature = keys.sign('statement')
  for (const _ of [1, 2]) {
    expect(keys.verify('statement', signature)).toBe(true)
    expect(keys.verify('statement ', signature)).toBe(false)
    expect(keys.verify('statement', `${signature.slice(1)}A`)).toBe(false)
  }
})

test('a key that is moved to previous is accepted still, and a new one signs', async () => {
  const at = setUp()
  const keys = at.replica()
  await keys.refresh()
  const old = keys.sign('statement')
  const { current } = dataOf(at)
  at.client.edit('Secret', key, { data: { previous: current ?? '', current: null } })
  await keys.refresh()
  expect(dataOf(at).previous).toBe(current)
  expect(keys.verify('statement', old)).toBe(true)
  expect(keys.sign('statement')).not.toBe(old)
  // And then not any more.
  at.client.edit('Secret', key, { data: { previous: null } })
  await keys.refresh()
  expect(keys.verify('statement', old)).toBe(false)
})

test('a change of the keys is reported, and nothing else is', async () => {
  const at = setUp()
  let changes = 0
  const keys = at.replica(() => {
    changes += 1
  })
  await keys.refresh()
  await keys.refresh()
  expect([changes, keys.version]).toEqual([1, 1])
  at.client.drop('Secret', key)
  await keys.refresh()
  expect([changes, keys.version]).toEqual([2, 2])
})

test('a key that is too short is ignored', async () => {
  const at = setUp()
  await at.replica().refresh()
  at.client.edit('Secret', key, { data: { current: 'c2hvcnQ=' } })
  const keys = at.replica()
  await keys.refresh()
  expect(Buffer.from(dataOf(at).current ?? '', 'base64')).toHaveLength(32)
})

test('an API server that is away is asked again, and what is known stays', async () => {
  const at = setUp()
  const keys = at.replica()
  const ending = new AbortController()
  const back = at.client.fail('get', 503)
  const running = keys.run(ending.signal)
  await at.clock.advance(0)
  expect(keys.missing).toBeDefined()
  back()
  await at.clock.advance(2_000)
  expect(keys.missing).toBeUndefined()
  const before = keys.sign('x')
  at.client.fail('get', 503)
  await at.clock.advance(60_000)
  expect(keys.sign('x')).toBe(before)
  ending.abort()
  await running
})
