import { expect, test } from 'vitest'
import { chooseRuntime } from './runtimes.ts'
import type { Source } from './source.ts'

const all = ['datasets', 'dataloads', 'jindoruntimes', 'alluxioruntimes']
const source = (scheme: Source['scheme']): Source => ({
  uri: `${scheme}://models/bloom`,
  scheme,
  credentials: { kind: 'anonymous' },
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
  ['gs', 'Auto', ['datasets'], 'AlluxioRuntime is not installed'],
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

test('Jindo has no option for buckets as host names, but at Amazon they are', () => {
  const virtual = (url: string): Source => ({ ...source('s3'), endpoint: { url, addressing: 'virtual' } })
  expect(chooseRuntime(virtual('https://store.example.com'), 'Auto', all)).toMatchObject({
    runtime: 'Alluxio',
  })
  expect(chooseRuntime(virtual('https://store.example.com'), 'Jindo', all)).toEqual({
    ok: false,
    reason: 'RuntimeUnavailable',
    message: 'JindoRuntime has no option for a store that has its buckets as host names',
  })
  expect(chooseRuntime(virtual('https://s3.amazonaws.com'), 'Auto', all)).toMatchObject({ runtime: 'Jindo' })
})
