import { expect, test } from 'vitest'
import { fakeFilled } from '../../fill/fill.fake.ts'
import { fillJob, lookJob } from '../../fill/job.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeService } from '../../plan/plan.fake.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { reportFill } from './fill-reporter.ts'

const condition = (type: string) => ({ conditions: [{ type, status: 'True' }] })
const times = { startTime: '2026-01-01T00:00:00Z', completionTime: '2026-01-01T00:03:20Z' }

async function report(job: KubeObject, status: JsonObject, before: JsonObject = {}) {
  const metrics = createMetrics()
  const events: EventNote[] = []
  reportFill(
    { metrics, events: { record: (event) => events.push(event) }, ownersOf: () => [fakeService({})] },
    { type: 'updated', before: { ...job, status: before }, object: { ...job, status } },
  )
  const { values } = await metrics.fills.get()
  const took = await metrics.fillDuration.get()
  return {
    outcomes: values.map(({ labels, value }) => [labels.outcome, value]),
    seconds: took.values.find(({ metricName }) => metricName?.endsWith('_sum'))?.value,
    notes: events.map(({ reason, note }) => `${reason}: ${note}`),
  }
}

const fill = fillJob(fakeFilled())
const look = lookJob(fakeFilled())

test('a download that is done is counted and told once', async () => {
  const status = { ...condition('Complete'), ...times }
  expect(await report(fill, status)).toEqual({
    outcomes: [['complete', 1]],
    seconds: 200,
    notes: ['FillComplete: downloaded hf://org/bloom into the mirror in 3m 20s'],
  })
  expect(await report(fill, status, status)).toMatchObject({ outcomes: [], notes: [] })
})

test('one that failed is counted; its Event has its last lines, and comes with its cache', async () => {
  expect(await report(fill, condition('Failed'))).toMatchObject({ outcomes: [['failed', 1]], notes: [] })
})

test('a mirror that has the model is counted, and one that has not is no end', async () => {
  expect(await report(look, condition('Complete'))).toMatchObject({ outcomes: [['found', 1]], notes: [] })
  expect(await report(look, condition('Failed'))).toMatchObject({ outcomes: [] })
})

test('a Job of someone else’s counts for nothing', async () => {
  const theirs = { ...fill, metadata: { ...fill.metadata, labels: { 'warmgate.dev/fill': 'fill' } } }
  expect(await report(theirs, condition('Complete'))).toMatchObject({ outcomes: [] })
})
