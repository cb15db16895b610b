import { expect, test } from 'vitest'
import { fakeCache } from './cache.fake.ts'
import type { Cache } from './desired.ts'
import type { CacheSettings } from './runtime.ts'
import { isSized, withSizes } from './sizing.ts'

const gibibyte = 2 ** 30

/** Two workers of 50Gi each, which may become eight; copies are left open. */
function cacheOf(runtime: Cache['runtime'], settings: Partial<CacheSettings> = {}): Cache {
  return fakeCache(runtime, {
    settings: { growTo: 8, warmup: { enabled: true, retries: 3 }, ...settings },
  })
}

function sizesOf(cache: Cache, gibibytes: number | undefined): [workers: number, copies: number] {
  const { settings } = withSizes(cache, gibibytes && gibibytes * gibibyte)
  return [settings.replicas, settings.warmup.replicas]
}

const copies = (replicas: number) => ({ warmup: { enabled: true, retries: 3, replicas } })
const follow = { podsPerWorker: 4, most: 6 }
const ssd = (quota: string, paths: string[]) => [{ medium: 'SSD' as const, quota, paths }]

test.each<[string, Cache, number | undefined, [number, number]]>([
  ['a size that is not known yet', cacheOf('Jindo'), undefined, [2, 1]],
  ['a copy for each worker, where the model fits', cacheOf('Jindo'), 15, [2, 2]],
  ['one copy on all workers together', cacheOf('Jindo'), 60, [2, 1]],
  ['a model that fills a worker up to where eviction starts', cacheOf('Jindo'), 46, [2, 1]],
  ['a model that needs more workers', cacheOf('Jindo'), 141, [4, 1]],
  ['a model that needs more than there may be', cacheOf('Jindo'), 1_000, [8, 1]],
  ['a policy that fixes the size', cacheOf('Jindo', { growTo: 0 }), 141, [2, 1]],
  ['more workers than it may grow to', cacheOf('Jindo', { replicas: 9, growTo: 4 }), 1_000, [9, 1]],
  ['copies that a policy names', cacheOf('Jindo', copies(2)), 60, [3, 2]],
  ['copies of a policy, however small the model', cacheOf('Jindo', copies(1)), 1, [2, 1]],
  ['several disks', cacheOf('Jindo', { tieredStore: ssd('50Gi', ['/a', '/b', '/c']) }), 141, [2, 1]],
  [
    'a second tier, which Jindo does not use',
    cacheOf('Jindo', { tieredStore: [...ssd('50Gi', ['/a']), ...ssd('500Gi', ['/b'])] }),
    141,
    [4, 1],
  ],
  [
    'a second tier of Alluxio',
    cacheOf('Alluxio', { tieredStore: [...ssd('50Gi', ['/a']), ...ssd('500Gi', ['/b'])] }),
    141,
    [2, 2],
  ],
  ['a cache of many models', { ...cacheOf('Jindo'), paths: ['llama'] }, 1_000, [2, 1]],
  ['workers that do not share', cacheOf('JuiceFS'), 1_000, [2, 1]],
  ['a runtime that takes a number once', cacheOf('Cache'), 141, [2, 1]],
  ['workers for pods, which bring no more copies', cacheOf('Jindo', { follow, readers: 5 }), 15, [5, 2]],
  ['workers for more pods than there may be', cacheOf('Jindo', { follow, readers: 9 }), 15, [6, 2]],
  ['a model that needs more workers than its pods', cacheOf('Jindo', { follow, readers: 3 }), 141, [4, 1]],
  [
    'pods of a cache of a size that is not known',
    cacheOf('Jindo', { follow, readers: 5 }),
    undefined,
    [5, 1],
  ],
  ['pods of a runtime that takes a number once', cacheOf('Cache', { follow, readers: 5 }), 141, [2, 1]],
])('%s', (_, cache, gibibytes, sizes) => {
  expect(sizesOf(cache, gibibytes)).toEqual(sizes)
})

test('a size is waited for only where it decides something', () => {
  expect(isSized(cacheOf('Jindo'))).toBe(true)
  const { growTo: _, ...fixed } = fakeCache('Jindo').settings
  expect(isSized({ ...fakeCache('Jindo'), settings: fixed })).toBe(false)
  expect(isSized({ ...cacheOf('Jindo'), paths: ['llama'] })).toBe(false)
  expect(isSized(cacheOf('JuiceFS'))).toBe(false)
})
