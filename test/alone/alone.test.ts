import { afterAll, beforeAll, describe } from 'vitest'
import { startTestCluster, type TestCluster } from '../warmgate/test-cluster.ts'
import { restarts } from './restarts.ts'
import { scope } from './scope.ts'

/* Suites that need their own control plane, and share one, one after another. */

let cluster: TestCluster

beforeAll(async () => {
  const fluid = { bindMs: 300, pollMs: 300, syncMs: 200, deleteRetryMs: 300, bytesPerSecond: 2 ** 30 }
  cluster = await startTestCluster({ initContainerSeconds: 1, fluid })
})

afterAll(() => cluster?.stop())

// First, because it counts every review that Warmgate receives: no other test may run.
describe('scope', () => scope(() => cluster))
describe('restarts', () => restarts(() => cluster))
