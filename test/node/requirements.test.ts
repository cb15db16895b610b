import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Machine, missingRequirement } from './requirements.ts'

let bin: string
let able: Machine

beforeAll(async () => {
  bin = await mkdtemp(join(tmpdir(), 'warmgate-bin-'))
  for (const tool of ['unshare', 'nsenter', 'mount', 'ip', 'tar', 'runc']) {
    await writeFile(join(bin, tool), '')
    await chmod(join(bin, tool), 0o755)
  }
  able = { platform: 'linux', user: 0, env: { PATH: bin }, mayIsolate: async () => true }
})

afterAll(() => rm(bin, { recursive: true }))

test('a machine that has all of it lacks nothing', async () => {
  expect(await missingRequirement(able)).toBeUndefined()
})

test('the missing requirement is named', async () => {
  expect(await missingRequirement({ ...able, platform: 'darwin' })).toContain('Linux')
  expect(await missingRequirement({ ...able, user: 1000 })).toContain('root')
  expect(await missingRequirement({ ...able, env: { PATH: '' } })).toBe('the command unshare')
  expect(await missingRequirement({ ...able, mayIsolate: async () => false })).toContain('--privileged')
  await rm(join(bin, 'runc'))
  expect(await missingRequirement(able)).toContain('apt-get')
})

test('in CI nothing is', async () => {
  const poor = { ...able, user: 1000, env: { PATH: '', CI: 'true' } }
  expect(await missingRequirement(poor)).toBeUndefined()
})
