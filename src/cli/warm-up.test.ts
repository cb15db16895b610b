import { expect, test } from 'vitest'
import { warmUp } from './warm-up.ts'

test.each([
  ['an InferenceService', 0],
  ['one with its own container and Secret', 1],
  ['an LLMInferenceService', 2],
])('a warm-up runs the way of %s that is accelerated, of its updates, and of its pod', async (_, index) => {
  const [created, unchanged, reapplied, pod] = (await warmUp(1)).slice(4 * index)
  expect(created).toMatchObject({ kind: 'allow', auditAnnotations: { reason: 'Accelerated' } })
  expect(JSON.stringify(created)).toContain('nvidia.com~1gpu')
  expect(unchanged).toEqual({ kind: 'allow', patch: [], warnings: [] })
  expect(reapplied).toMatchObject({ kind: 'allow', auditAnnotations: { reason: 'Accelerated' } })
  expect(pod).toMatchObject({ kind: 'allow', auditAnnotations: { decision: 'hold' } })
})
