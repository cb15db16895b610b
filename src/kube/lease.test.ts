import { expect, test } from 'vitest'
import { makeProcess, type ServerHealth, SharedLease } from '../../test/hostile/lease.ts'
import { FakeClock } from '../values/clock.fake.ts'

function setUp() {
  const clock = new FakeClock(Date.UTC(2030, 0, 1))
  const shared = new SharedLease()
  const start = (identity: string) => makeProcess({ shared, clock, identity })
  return { clock, shared, start }
}

test('the first to come leads, and goes on leading', async () => {
  const { clock, shared, start } = setUp()
  const first = start('first')
  await clock.advance(0)
  const second = start('second')
  for (let minute = 0; minute < 10; minute++) {
    await clock.advance(60_000)
    expect([first.isLeading, second.isLeading]).toEqual([true, false])
  }

  expect(first.terms).toBe(1)
  expect(shared.spec).toEqual({
    holderIdentity: 'first',
    leaseDurationSeconds: 15,
    acquireTime: '2030-01-01T00:00:00.000000Z',
    renewTime: '2030-01-01T00:10:00.000000Z',
    leaseTransitions: 0,
  })
})

test('one of many replicas that start at the same moment leads', async () => {
  const { clock, start } = setUp()
  const all = ['a', 'b', 'c', 'd'].map(start)
  for (let second = 0; second < 60; second++) {
    await clock.advance(1_000)
    expect(all.filter(({ isLeading }) => isLeading)).toHaveLength(1)
  }
})

test('one of many replicas that see a lease expire takes it', async () => {
  const { clock, shared, start } = setUp()
  shared.write({ holderIdentity: 'dead', leaseDurationSeconds: 15, leaseTransitions: 4 })
  const all = ['a', 'b', 'c', 'd'].map(start)
  await clock.advance(14_999)
  expect(all.filter(({ isLeading }) => isLeading)).toHaveLength(0)
  await clock.advance(2_001)

  expect(all.filter(({ isLeading }) => isLeading)).toHaveLength(1)
  expect(shared.spec.leaseTransitions).toBe(5)
})

test('a leader that stops ends its work, gives up the lease, and the next takes over at once', async () => {
  const { clock, shared, start } = setUp()
  const first = start('first')
  await clock.advance(0)
  const second = start('second')
  await clock.advance(60_000)
  const windingUp = Promise.withResolvers<void>()
  first.windUp = () => windingUp.promise
  first.stop()
  await clock.advance(5_000)
  expect(shared.spec.holderIdentity).toBe('first')
  expect(second.isLeading).toBe(false)

  windingUp.resolve()
  await first.ended
  expect(shared.spec.holderIdentity).toBe('')
  await clock.advance(2_000)
  expect(second.isLeading).toBe(true)
  expect(shared.spec).toMatchObject({ holderIdentity: 'second', leaseTransitions: 1 })
})

test('a replica that is stopped while it takes the lease releases it and never leads', async () => {
  const { clock, shared, start } = setUp()
  const first = start('first')
  first.health = 1_000
  await clock.advance(1_500)
  first.stop()
  await clock.advance(2_500)
  await first.ended

  expect(clock.nextInMs).toBeUndefined()
  expect(first.terms).toBe(0)
  expect(shared.spec.holderIdentity).toBe('')
})

test('a replica that does not lead does not change the lease when it stops', async () => {
  const { clock, shared, start } = setUp()
  start('first')
  await clock.advance(0)
  const second = start('second')
  await clock.advance(4_000)
  second.stop()
  await second.ended

  expect(shared.spec.holderIdentity).toBe('first')
  expect(second.logged).toEqual([])
})

test.each(['1970-01-01T00:00:00.000000Z', '2099-01-01T00:00:00.000000Z'])(
  "the holder's clock is not believed: %s",
  async (renewTime) => {
    const { clock, shared, start } = setUp()
    shared.write({ holderIdentity: 'dead', leaseDurationSeconds: 15, renewTime })
    const second = start('second')
    await clock.advance(14_000)
    expect(second.isLeading).toBe(false)
    await clock.advance(2_000)
    expect(second.isLeading).toBe(true)
  },
)

test('a renewal that is seen late starts the wait again', async () => {
  const { clock, shared, start } = setUp()
  const spec = { holderIdentity: 'other', leaseDurationSeconds: 15 }
  shared.write(spec)
  const second = start('second')
  await clock.advance(13_000)
  shared.write(spec)
  await clock.advance(15_000)
  expect(second.isLeading).toBe(false)
  await clock.advance(2_000)
  expect(second.isLeading).toBe(true)
})

test('a lease that another client created without a duration is not taken immediately', async () => {
  const { clock, shared, start } = setUp()
  shared.write({ holderIdentity: 'other' })
  const second = start('second')
  await clock.advance(14_000)
  expect(second.isLeading).toBe(false)
  await clock.advance(2_000)
  expect(second.isLeading).toBe(true)
})

test.each<ServerHealth>(['failing', 'hanging'])(
  'a leader with %s calls steps down before another may lead',
  async (weather) => {
    const { clock, start } = setUp()
    const first = start('first')
    await clock.advance(0)
    const second = start('second')
    await clock.advance(60_000)
    first.health = weather
    await clock.advance(7_999)
    expect(first.isLeading).toBe(true)
    // The last renewal may have been up to two seconds ago: ten are over.
    await clock.advance(2_001)
    expect([first.isLeading, second.isLeading]).toEqual([false, false])
    await clock.advance(7_000)
    expect([first.isLeading, second.isLeading]).toEqual([false, true])
  },
)

test('a slow answer does not lengthen what was asked for', async () => {
  const { clock, start } = setUp()
  const first = start('first')
  first.health = 4_500
  await clock.advance(9_000)
  expect(first.isLeading).toBe(true)
  first.health = 'failing'
  await clock.advance(1_000)

  expect(first.isLeading).toBe(false)
})

test('nor does a slow renewal', async () => {
  const { clock, start } = setUp()
  const first = start('first')
  await clock.advance(0)
  first.health = 3_000
  // Asked after two seconds, answered after eight.
  await clock.advance(8_000)
  first.health = 'failing'
  await clock.advance(3_999)
  expect(first.isLeading).toBe(true)
  await clock.advance(1)
  expect(first.isLeading).toBe(false)
})

test('a leader gets over a short outage', async () => {
  const { clock, start } = setUp()
  const first = start('first')
  await clock.advance(0)
  first.health = 'failing'
  await clock.advance(7_000)
  first.health = 'fine'
  await clock.advance(60_000)

  expect(first).toMatchObject({ isLeading: true, terms: 1 })
})

test('a replica with hanging calls before it leads tries again', async () => {
  const { clock, start } = setUp()
  const first = start('first')
  first.health = 'hanging'
  await clock.advance(11_000)
  first.health = 'fine'
  await clock.advance(10_000)

  expect(first.isLeading).toBe(true)
})

test('a leader that learns of another one steps down at once', async () => {
  const { clock, shared, start } = setUp()
  const first = start('first')
  await clock.advance(0)
  // As when this process was suspended, and woke up too late.
  shared.write({ ...shared.spec, holderIdentity: 'other' })
  await clock.advance(2_000)

  expect(first.isLeading).toBe(false)
})

test('if the work of a leader fails, it is logged, and the replica leads again if no other does', async () => {
  const { clock, start } = setUp()
  const first = start('first')
  first.work = async () => {
    if (first.terms === 1) throw new Error('a bug')
  }
  await clock.advance(2_000)

  expect(first).toMatchObject({ isLeading: true, terms: 2 })
  expect(first.logged).toMatchObject([{ msg: 'the leader failed' }])
})

test('a lease that is deleted is made again', async () => {
  const { clock, shared, start } = setUp()
  const first = start('first')
  await clock.advance(0)
  shared.lease = undefined
  await clock.advance(2_000)

  expect(shared.spec.holderIdentity).toBe('first')
  expect(first.terms).toBe(1)
})
