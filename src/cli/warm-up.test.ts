import { expect, test } from 'vitest'
import { warmUp } from './warm-up.ts'

test('a warm-up runs the way of a service that is accelerated, of its updates, and of a pod that is held', async () => {
  const [created, unchanged, reapplied, pod] = await warmUp(1)
  expect(created).toMatchObject({ kind: 'allow', auditAnnotations: { reason: 'Accelerated' } })
  expect(JSON.stringify(created)).toContain('nvidia.com~1gpu')
  expect(unchanged).toEqual({ kind: 'allow', patch: [], warnings: [] })
  expect(reapplied).toMatchObject({ kind: 'allow', auditAnnotations: { reason: 'Accelerated' } })
  expect(pod).toMatchObject({ kind: 'allow', auditAnnotations: { decision: 'hold' } })
})
