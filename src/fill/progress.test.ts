import { expect, test } from 'vitest'
import type { KubeObject } from '../values/object.ts'
import { fillProgress, hasEnded, refillProgress } from './progress.ts'

const job = (status: KubeObject['status'], annotations = {}): KubeObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'bloom-0123456789-fill', annotations },
  status,
})
const ended = (type: string, more = {}) => job({ conditions: [{ type, status: 'True', ...more }] })
const running = job({ active: 1, startTime: '2026-01-01T00:00:00Z' })
const complete = job({
  conditions: [{ type: 'Complete', status: 'True' }],
  completionTime: '2026-01-01T00:10:00Z',
})
const nothing = ended('Failed', { reason: 'PodFailurePolicy', message: 'exit code 9' })
const failed = ended('Failed', { reason: 'BackoffLimitExceeded', message: 'too often' })
const atMs = Date.parse('2026-01-01T00:10:00Z')

test('a mirror is looked into first, and filled only if the model is not there', () => {
  const progress = (look?: KubeObject, fill?: KubeObject) => fillProgress({ look, fill }, 'IfMissing')
  expect(progress()).toEqual({ stage: 'new', next: 'look' })
  expect(progress(running)).toMatchObject({ stage: 'running', step: 'look' })
  expect(progress(complete)).toEqual({ stage: 'complete', atMs })
  expect(progress(nothing)).toEqual({ stage: 'new', next: 'fill' })
  expect(progress(nothing, running)).toMatchObject({ stage: 'running', step: 'fill' })
  expect(progress(nothing, complete)).toEqual({ stage: 'complete', atMs })
})

test('Always looks for nothing', () => {
  expect(fillProgress({ look: undefined, fill: undefined }, 'Always')).toEqual({ stage: 'new', next: 'fill' })
})

test('a look that fails in any other way proves nothing: nothing is downloaded', () => {
  expect(fillProgress({ look: failed, fill: undefined }, 'IfMissing')).toEqual({
    stage: 'failed',
    step: 'look',
    message: 'too often',
  })
  expect(fillProgress({ look: nothing, fill: failed }, 'IfMissing')).toMatchObject({ step: 'fill' })
})

test('a request to fill again counts the Job of that request alone', () => {
  const answering = job({ active: 1 }, { 'warmgate.dev/refill': '2' })
  expect(refillProgress(undefined, '2')).toEqual({ stage: 'new', next: 'fill' })
  expect(refillProgress(complete, '2')).toEqual({ stage: 'new', next: 'fill' })
  expect(refillProgress(answering, '2')).toMatchObject({ stage: 'running' })
  expect([running, complete, failed].map(hasEnded)).toEqual([false, true, true])
})
