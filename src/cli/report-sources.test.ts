import { expect, test } from 'vitest'
import type { KubeObject } from '../values/object.ts'
import { describeSources, reportSources } from './report-sources.ts'

const pod = (service: string, ...uris: string[]): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'models', labels: { 'serving.kserve.io/inferenceservice': service } },
  spec: {
    initContainers: [
      { name: 'storage-initializer', args: uris.flatMap((uri, index) => [uri, `/mnt/models/${index}`]) },
    ],
  },
})

test('services are counted by what would serve them, each once', () => {
  const report = reportSources([
    pod('a', 's3://models/a'),
    pod('a', 's3://models/a'),
    pod('b', 'hf://org/b'),
    pod('c', 'hf://org/c', 's3://models/c.joblib'),
    pod('d', 's3://models/d.tar.gz'),
    pod('e', 'gs://models/e', 'ms://org/e'),
    { ...pod('f'), spec: {} },
  ])
  expect(report).toEqual({
    mounted: 1,
    filled: { UnsupportedScheme: 2, ArchiveSource: 1 },
    neither: { UnsupportedScheme: 1 },
  })
  expect(describeSources(report)).toBe(
    '1 of 5 services that download name a directory that a Runtime mounts; 3 more with a mirror that is filled (UnsupportedScheme 2, ArchiveSource 1); 1 not (UnsupportedScheme 1).',
  )
})

test('nothing is said where nothing is downloaded', () => {
  expect(describeSources(reportSources([]))).toBe('')
  expect(describeSources({ mounted: 2, filled: {}, neither: {} })).toBe(
    '2 of 2 services that download name a directory that a Runtime mounts.',
  )
})
