import { expect, test } from 'vitest'
import { fakeDataset } from '../cluster/cluster.fake.ts'
import { KubeError } from '../kube/errors.ts'
import type { EventNote } from '../kube/events.ts'
import { fakeService } from '../plan/plan.fake.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { fakeErrors } from './errors.fake.ts'

const services = ['a', 'odd', 'b'].map((name) => fakeService({}, { name }))

function setUp() {
  const metrics = createMetrics()
  const notes: EventNote[] = []
  const counted = async () =>
    (await metrics.reconcileErrors.get()).values.map(({ labels, value }) => `${labels.loop} ${value}`)
  return { errors: fakeErrors({ metrics, notes }), notes, counted }
}

function unlessOdd(name: string | undefined, error: Error): string {
  if (name === 'odd') throw error
  return `done ${name}`
}

test('one object that fails is counted and reported, and the others are processed', async () => {
  const { errors, notes, counted } = setUp()
  const forbidden = new KubeError('get secrets models/x', { status: 403, message: 'forbidden' })
  const done: (string | undefined)[] = []
  for (const service of services)
    done.push(
      await errors.attempt('decisions', service, async () => unlessOdd(service.metadata.name, forbidden)),
    )
  expect(done).toEqual(['done a', undefined, 'done b'])
  errors.each('changes', [...services, fakeDataset()], ({ metadata }) => {
    done.push(unlessOdd(metadata.name, forbidden))
  })
  expect(done).toHaveLength(6)
  expect(await counted()).toEqual(['decisions 1', 'changes 1'])
  expect(notes[0]).toMatchObject({
    regarding: { metadata: { name: 'odd' } },
    type: 'Warning',
    reason: 'ReconcileFailed',
    note: 'get secrets models/x: forbidden (HTTP 403)',
  })
})

test.each([0, 409, 429, 500, 503])(
  'a response of %s is not reported on the object, because its owner cannot fix it',
  async (status) => {
    const { errors, notes, counted } = setUp()
    errors.each('decisions', services, ({ metadata: { name } }) =>
      unlessOdd(name, new KubeError('get', { status, message: 'later' })),
    )
    expect(await counted()).toEqual(['decisions 1'])
    expect(notes).toEqual([])
  },
)

test('an error that may quote what it could not read is for the log alone', () => {
  const { errors, notes } = setUp()
  errors.each('decisions', services, ({ metadata: { name } }) =>
    unlessOdd(name, new SyntaxError('Unexpected token in "hunter2"')),
  )
  expect(notes).toHaveLength(1)
  expect(notes[0]?.note).toContain('WG040')
  expect(JSON.stringify(notes)).not.toContain('hunter2')
})
