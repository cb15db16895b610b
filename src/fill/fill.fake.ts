import type { Fill, Filled } from './fill.ts'

/** The download of hf://org/bloom into s3://mirror/models/, for a cache of the namespace models. */
export function fakeFilled(more: Partial<Fill> = {}, settings: Partial<Fill['settings']> = {}): Filled {
  const fill: Fill = {
    model: 'hf://org/bloom',
    path: 'hf/org/bloom@',
    store: {
      kind: 'Bucket',
      scheme: 's3',
      bucket: 'mirror',
      prefix: 'models',
      credentials: { kind: 'keys', secretName: 'writer', accessKeyId: 'id', secretAccessKey: 'key' },
      endpoint: { url: 'http://minio.store:9000' },
    },
    initializer: {
      container: {
        name: 'storage-initializer',
        image: 'kserve/storage-initializer:v1',
        args: ['hf://org/bloom', ''],
      },
      volumes: [],
    },
    account: 'reader',
    labels: {},
    settings: {
      mode: 'IfMissing',
      timeoutMs: 3_600_000,
      retries: 3,
      resources: { requests: { cpu: '100m', memory: '256Mi' } },
      scratch: { size: '50Gi' },
      image: 'rclone/rclone:1.69.3',
      tolerations: [],
      ...settings,
    },
    ...more,
  }
  return { namespace: 'models', name: 'bloom-0123456789', fill }
}
