import { expect, test } from 'vitest'
import { fakeDataLoad, fakeDataset, fakeLoadJob } from '../../cluster/cluster.fake.ts'
import type { KubeObject } from '../../values/object.ts'
import { loadPhase } from './cache-phase.ts'
import { describeWarmup, warmupOf } from './warmup.ts'

const started = '2030-01-01T00:00:00Z'
const complete = [{ type: 'Complete', status: 'True', lastTransitionTime: '2030-01-01T00:04:00Z' }]
const counted = fakeDataset({ phase: 'Bound', ufsTotal: '141.00GiB' })

function load(phase: string, more: object = {}, retry = '0'): KubeObject {
  const dataLoad = fakeDataLoad(phase, undefined, more)
  const metadata = {
    ...dataLoad.metadata,
    creationTimestamp: '2029-12-31T23:59:00Z',
    annotations: { 'warmgate.dev/retries': retry },
  }
  return { ...dataLoad, metadata }
}

const done: KubeObject = {
  ...fakeLoadJob(),
  status: {
    startTime: started,
    completionTime: '2030-01-01T00:03:20Z',
    conditions: [{ type: 'Complete', status: 'True' }],
  },
}
const stranger: KubeObject = { ...done, metadata: { ...done.metadata, ownerReferences: [] } }

test.each<[string, KubeObject, KubeObject | undefined, string | undefined]>([
  ['one that waits', load('Pending'), undefined, undefined],
  ['one that runs', load('Executing'), undefined, 'filling llama: 141 GiB'],
  ['one that runs again', load('Executing', {}, '2'), undefined, 'filling llama (attempt 3): 141 GiB'],
  ['one whose Job is done', load('Executing'), done, 'filled llama in 3m 20s: 141 GiB, 722 MiB/s'],
  ['one that runs beside a Job of another', load('Executing'), stranger, 'filling llama: 141 GiB'],
  [
    'one that is complete, by its Job',
    load('Complete', { conditions: complete }),
    done,
    'filled llama in 3m 20s: 141 GiB, 722 MiB/s',
  ],
  [
    'one that is complete, and its Job is gone',
    load('Complete', { conditions: complete }),
    undefined,
    'filled llama in 5m: 141 GiB, 481 MiB/s',
  ],
  [
    'one that failed',
    load('Failed', { conditions: [{ message: 'no such bucket' }] }, '1'),
    undefined,
    'the warm-up of llama failed (attempt 2): no such bucket (see kubectl logs -n models job/llama-0123456789-loader-job)',
  ],
])('%s', (_what, dataLoad, job, words) => {
  const warmup = warmupOf({ dataset: counted, dataLoad, job })
  expect(warmup && describeWarmup('llama', warmup)).toBe(words)
})

test.each(['', 'N/A'])('a size of %j is no size', (ufsTotal) => {
  const dataset = fakeDataset({ phase: 'Bound', ufsTotal })
  const warmup = warmupOf({ dataset, dataLoad: load('Executing'), job: done })
  expect(warmup && describeWarmup('llama', warmup)).toBe('filled llama in 3m 20s')
})

test.each<[string, object, string]>([
  ['a Dataset that counts its files', { ufsTotal: '[Calculating]' }, 'filling llama'],
  ['one that is empty', { ufsTotal: '0.00B' }, 'the warm-up of llama failed: it found no file'],
  ['one without files', { fileNum: '0' }, 'the warm-up of llama failed: it found no file'],
  ['one of empty files', { ufsTotal: '0.00B', fileNum: '2' }, 'filled llama in 3m 20s'],
  // JindoCache never reports the number of files.
  ['one of bytes', { ufsTotal: '1.00GiB', fileNum: '[Calculating]' }, 'filled llama in 3m 20s: 1 GiB'],
  // Fluid counts once, and files came since.
  ['one that holds some', { fileNum: '0', cacheStates: { cached: '1.00MiB' } }, 'filled llama in 3m 20s'],
  ['one that is counted by nobody', { cacheStates: { cached: 'N/A' } }, 'filled llama in 3m 20s'],
])('the Job of %s is done', (_what, status, words) => {
  const dataset = fakeDataset({ phase: 'Bound', ...status })
  const warmup = warmupOf({ dataset, dataLoad: load('Executing'), job: done })
  expect(warmup && describeWarmup('llama', warmup)).toContain(words)
})

test('a warm-up that found no file is not tried again', () => {
  const limited = load('Complete', { conditions: complete })
  const annotations = { 'warmgate.dev/retry-limit': '3' }
  const dataLoad = { ...limited, metadata: { ...limited.metadata, annotations } }
  const dataset = fakeDataset({ phase: 'Bound', ufsTotal: '0.00B' })
  expect(loadPhase({ dataset, dataLoad, job: undefined })).toMatchObject({ kind: 'failed' })
})

test('a warm-up without a measurable duration has no speed', () => {
  const job = { ...done, status: { ...(done.status as object), completionTime: started } }
  const warmup = warmupOf({ dataset: counted, dataLoad: load('Executing'), job })
  expect(warmup && describeWarmup('llama', warmup)).toBe('filled llama in 0s: 141 GiB')
})

test('Fluid reports no size for a path of a Dataset', () => {
  const dataLoad = { ...load('Executing'), spec: { target: [{ path: '/llama' }] } }
  const warmup = warmupOf({ dataset: counted, dataLoad, job: undefined })
  expect(warmup && describeWarmup('llama', warmup)).toBe('filling llama')
})
