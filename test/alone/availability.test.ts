import { afterAll, beforeAll, expect, test } from 'vitest'
import { faultsOf, measure, type Outcome } from '../../bench/availability/faults.ts'
import { type Stage, startStage } from '../../bench/availability/stage.ts'

/*
 * Two replicas behind one address, and services that are created at a fixed rate while something happens to them:
 * `make bench-availability` in a minute.
 */

let stage: Stage

beforeAll(async () => {
  stage = await startStage()
})

afterAll(() => stage?.stop())

const load = { rate: 20, heldRate: 1 }
const counts = { steadySeconds: 0, rolls: 1, rotations: 2, leaderChanges: 1, outages: 2 }
const faults = faultsOf(counts).filter(({ name }) => name !== 'nothing')
const lossless = faults.filter(({ name }) => !name.includes('killed'))
const killed = faults.filter(({ name }) => name.includes('killed'))

function expectNoneLost({ creates, failed, held, notHeld, heldForever }: Outcome): void {
  expect({ failed, notHeld, heldForever }).toEqual({ failed: [], notHeld: 0, heldForever: [] })
  expect(creates).toBeGreaterThan(0)
  expect(held).toBeGreaterThan(0)
}

test.each(lossless.map((fault, index) => ({ ...fault, index })))(
  '$name: every service is created and accelerated, and no pod is held for ever',
  async ({ index, ...fault }) => {
    const outcome = await measure(stage, fault, { ...load, index })
    expectNoneLost(outcome)
    expect(outcome.missed).toEqual([])
  },
)

test.each(killed.map((fault, index) => ({ ...fault, index: lossless.length + index })))(
  '$name: every service is created, what is missed is reported, and no pod is held for ever',
  async ({ index, ...fault }) => {
    const outcome = await measure(stage, fault, { ...load, index })
    expectNoneLost(outcome)
    expect(outcome.reported).toBe(outcome.missed.length)
  },
)
