import { afterAll, beforeAll } from 'vitest'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { contract } from './contract.ts'
import { gib } from './fixture.ts'

let cluster: SharedCluster

beforeAll(async () => {
  cluster = await joinTestCluster('contract', {
    bindMs: 100,
    pollMs: 1_000,
    syncMs: 100,
    deleteRetryMs: 100,
    bytesPerSecond: 2 ** 40,
    modelBytes: () => 3 * gib,
  })
})

afterAll(() => cluster?.stop())

contract(() => cluster.client)
