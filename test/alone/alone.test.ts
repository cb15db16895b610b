import { afterAll, beforeAll, describe } from 'vitest'
import { datasets } from '../attack/datasets.ts'
import { builtInLimits, limits } from '../attack/limits.ts'
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

// Before any policy is created.
describe('built-in limits', () => builtInLimits(() => cluster))
// Before others create services, because it counts every review that Warmgate receives.
describe('scope', () => scope(() => cluster))
describe('limits', () => limits(() => cluster))
describe('datasets of tenants', () => datasets(() => cluster))
// Last, because it deletes a CRD.
describe('restarts', () => restarts(() => cluster))
