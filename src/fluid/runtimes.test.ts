import { expect, test } from 'vitest'
import { chooseRuntime } from './runtimes.ts'
import type { Source } from './source.ts'

const all = ['datasets', 'dataloads', 'jindoruntimes', 'alluxioruntimes']
const source = (scheme: Source['scheme'], secretName?: string): Source => ({
  uri: `${scheme}://models/bloom`,
  scheme,
  credentials:
    secretName === undefined
      ? { kind: 'anonymous' }
      : { kind: 'keys', secretName, accessKeyId: 'id', secretAccessKey: 'key' },
  endpoint: {},
  options: {},
})

test.each([
  ['oss', all, 'Jindo'],
  ['s3', all, 'Jindo'],
  ['gs', all, 'Alluxio'],
  ['oss', ['datasets', 'alluxioruntimes'], 'Alluxio'],
  ['s3', ['datasets', 'alluxioruntimes'], 'Alluxio'],
] as const)('Auto: %s on %j is cached by %s', (scheme, installed, runtime) => {
  expect(chooseRuntime(source(scheme), 'Auto', installed)).toEqual({ ok: true, runtime })
})

test('a policy’s word comes before the order of Auto', () => {
  expect(chooseRuntime(source('s3'), 'Alluxio', all)).toEqual({ ok: true, runtime: 'Alluxio' })
})

test.each([
  ['gs', 'Jindo', all, 'JindoRuntime does not serve gs://'],
  ['s3', 'Jindo', ['datasets', 'alluxioruntimes'], 'JindoRuntime is not installed'],
  ['gs', 'Auto', ['datasets'], 'JindoRuntime does not serve gs://; AlluxioRuntime is not installed'],
  ['s3', 'Auto', ['datasets'], 'JindoRuntime is not installed; AlluxioRuntime is not installed'],
] as const)('RuntimeUnavailable: %s by %s on %j: %s', (scheme, wanted, installed, message) => {
  expect(chooseRuntime(source(scheme), wanted, installed)).toEqual({
    ok: false,
    reason: 'RuntimeUnavailable',
    message,
  })
})

test.each([[[]], [['jindoruntimes']]])('FluidMissing: a cluster that serves %j', (installed) => {
  expect(chooseRuntime(source('s3'), 'Auto', installed)).toMatchObject({ ok: false, reason: 'FluidMissing' })
})

test('Alluxio mounts a Secret as a volume: a name that makes none goes to another runtime, or is refused', () => {
  const fits = 'a'.repeat(42)
  for (const name of ['with.dot', 'a'.repeat(43)]) {
    expect(chooseRuntime(source('s3', name), 'Auto', all)).toEqual({ ok: true, runtime: 'Jindo' })
    expect(chooseRuntime(source('s3', name), 'Alluxio', all)).toEqual({
      ok: false,
      reason: 'RuntimeUnavailable',
      message: `AlluxioRuntime cannot mount Secret ${name}: its name may hold no dot, and 42 characters at most`,
    })
  }
  expect(chooseRuntime(source('s3', fits), 'Alluxio', all)).toEqual({ ok: true, runtime: 'Alluxio' })
})
