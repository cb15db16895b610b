import { afterAll, beforeAll } from 'vitest'
import { contract } from './contract.ts'
import { gib, startTheatre, type Theatre } from './scene.ts'

let theatre: Theatre

beforeAll(async () => {
  const bytesPerSecond = 2 ** 40
  theatre = await startTheatre({
    bindMs: 100,
    pollMs: 1_000,
    syncMs: 100,
    deleteRetryMs: 100,
    bytesPerSecond,
    modelBytes: () => 3 * gib,
  })
})

afterAll(() => theatre?.stop())

contract(() => theatre.client)
