import type { Cache } from './desired.ts'

/** A cache of `s3://models/bloom`, read without credentials. */
export function fakeCache(
  runtime: Cache['runtime'],
  { source, settings }: { source?: Partial<Cache['source']>; settings?: Partial<Cache['settings']> } = {},
): Cache {
  return {
    name: 'bloom-0123456789',
    namespace: 'models',
    paths: [''],
    runtime,
    source: {
      uri: 's3://models/bloom',
      scheme: 's3',
      credentials: { kind: 'anonymous' },
      endpoint: {},
      options: {},
      ...source,
    },
    settings: {
      replicas: 2,
      tieredStore: [{ medium: 'SSD', path: '/mnt/cache', quota: '50Gi' }],
      nodeSelector: {},
      tolerations: [],
      cleanPolicy: 'OnRuntimeDeleted',
      template: {},
      warmup: { enabled: true, replicas: 1, retries: 3 },
      ...settings,
    },
  }
}
