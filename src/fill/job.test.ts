import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Json, type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { fakeFilled } from './fill.fake.ts'
import type { Fill, Store } from './fill.ts'
import { cacheOfJob, fillJob, fillJobKey, lookJob } from './job.ts'

const claim: Store = { kind: 'Claim', claim: 'shared', prefix: 'models' }
const podOf = (job: KubeObject) => objectAt(job, 'spec', 'template', 'spec')
/** The containers in the order in which a pod runs them. */
const stepsOf = (job: KubeObject) => [
  ...listAt(podOf(job), 'initContainers'),
  ...listAt(podOf(job), 'containers'),
]
const commandOf = (container: Json) =>
  [...listAt(container, 'command'), ...listAt(container, 'args')].join(' ')

test('a download for a bucket: unmark, download, store, check, mark', () => {
  expect(stepsOf(fillJob(fakeFilled())).map(commandOf)).toEqual([
    'rclone copyto /mark/none mirror:mirror/models/.warmgate/hf/org/bloom@.json --copy-links',
    'hf://org/bloom /mnt/models',
    'rclone copy /mnt/models mirror:mirror/models/hf/org/bloom@ --checksum --copy-links --exclude /.cache/huggingface/**',
    'rclone check /mnt/models mirror:mirror/models/hf/org/bloom@ --one-way --copy-links --exclude /.cache/huggingface/**',
    'rclone copyto /mark/marker mirror:mirror/models/.warmgate/hf/org/bloom@.json --copy-links',
  ])
})

const staging = '/mirror/models/.warmgate/staging/models.bloom-0123456789'

test('a download for a claim goes into a directory of its pod, and is renamed', () => {
  const job = fillJob(fakeFilled({ store: claim }))
  expect(stepsOf(job).map(commandOf)).toEqual([
    'rclone copyto /mark/none /mirror/models/.warmgate/hf/org/bloom@.json --copy-links',
    `rclone sync /work ${staging}`,
    `hf://org/bloom ${staging}/$(POD_NAME)`,
    `rclone moveto ${staging}/$(POD_NAME) /mirror/models/hf/org/bloom@ --links`,
    'rclone copyto /mark/marker /mirror/models/.warmgate/hf/org/bloom@.json --copy-links',
  ])
  const names = listAt(podOf(job), 'volumes').map((volume) => stringAt(volume, 'name'))
  expect(names).toEqual(['mirror', 'mark', 'work'])
  for (const step of stepsOf(job))
    expect(listAt(step, 'env').map((variable) => stringAt(variable, 'name'))).toContain('POD_NAME')
})

test.each([
  ['hf://org/bloom', '--copy-links --exclude /.cache/huggingface/**'],
  ['https://example.com/m.tar.gz', '--copy-links'],
  ['s3://models/bloom', '--copy-links'],
  ['https://example.com/org/bloom.git', ''],
  ['https://user@example.com/bloom.git/', ''],
])('%s is stored and checked with %j', (model, options) => {
  const steps = stepsOf(fillJob(fakeFilled({ model }))).map(commandOf)
  for (const command of ['copy', 'check']) {
    const step = steps.find((each) => each.startsWith(`rclone ${command} `)) ?? ''
    expect(step.replace(/.*--(checksum|one-way) ?/, '')).toBe(options)
  }
})

test('the next pod of a download starts when the one before it has ended', () => {
  expect(fillJob(fakeFilled()).spec).toMatchObject({ podReplacementPolicy: 'Failed' })
})

test('a look ends well only if it copies a marker that is not empty, and fails at once if there is none', () => {
  const job = lookJob(fakeFilled())
  expect(stepsOf(job).map(commandOf)).toEqual([
    'rclone copy mirror:mirror/models/.warmgate/hf/org /work --include /bloom@.json --max-depth 1 --min-size 1B --error-on-no-transfer',
  ])
  expect(objectAt(job, 'spec').podFailurePolicy).toEqual({
    rules: [
      {
        action: 'FailJob',
        onExitCodes: { containerName: 'look', operator: 'In', values: [3, 4, 9] },
      },
    ],
  })
})

test('names and owners: the cache of a Job, and the Jobs of a cache', () => {
  const cache = { namespace: 'models', name: 'bloom-0123456789' }
  expect(fillJobKey(cache, 'look').name).toBe(lookJob(fakeFilled()).metadata.name)
  for (const job of [lookJob(fakeFilled()), fillJob(fakeFilled())]) expect(cacheOfJob(job)).toEqual(cache)
})

const stores = fc.constantFrom<Store>(claim, { ...claim, prefix: '' }, fakeFilled().fill.store, {
  kind: 'Bucket',
  scheme: 'gs',
  bucket: 'mirror',
  prefix: '',
  credentials: { kind: 'file', secretName: 'gcs', file: 'key.json' },
  endpoint: {},
})
const fills = fc.record({
  store: stores,
  path: fc.constantFrom('hf/org/bloom@', 's3/b/m.joblib@@team.0123456789', '.long/00@'),
  refill: fc.option(fc.string(), { nil: undefined }),
  size: fc.option(fc.constant('fast'), { nil: undefined }),
  volumes: fc.constantFrom<Fill['initializer']['volumes']>([], [{ name: 'user-gcp-sa', secret: {} }]),
})
const jobOf = ({
  store,
  path,
  refill,
  size,
  volumes,
}: typeof fills extends fc.Arbitrary<infer T> ? T : never) =>
  fillJob(
    fakeFilled(
      { store, path, initializer: { ...fakeFilled().fill.initializer, volumes } },
      { scratch: { size: '1Gi', ...(size !== undefined && { storageClassName: size }) } },
    ),
    refill,
  )

test('property: the marker is emptied before all else, and written after all else', () => {
  fc.assert(
    fc.property(fills, (fill) => {
      const job = jobOf(fill)
      const commands = stepsOf(job).map(commandOf)
      const marker = `.warmgate/${fill.path}.json`
      const touches = commands.flatMap((command, index) => (command.includes(marker) ? [index] : []))
      expect(touches).toEqual([0, commands.length - 1])
      expect(commands[0]).toMatch(/^rclone copyto \/mark\/none /)
      expect(commands.at(-1)).toMatch(/^rclone copyto \/mark\/marker /)
      // Only containers that run alone, one after another, have an order.
      expect(listAt(podOf(job), 'containers')).toHaveLength(1)
      expect(listAt(podOf(job), 'initContainers').map((each) => objectAt(each).restartPolicy)).not.toContain(
        'Always',
      )
      expect(podOf(job).restartPolicy).toBe('Never')
      // The marker is outside of the directory that is served.
      expect(marker.startsWith(`${fill.path}/`)).toBe(false)
    }),
  )
})

test('property: the pods fit into Pod Security restricted, and run no shell', () => {
  fc.assert(
    fc.property(fills, (fill) => {
      for (const job of [jobOf(fill), lookJob(fakeFilled({ store: fill.store }))]) {
        const pod = podOf(job)
        expect(pod.securityContext).toMatchObject({
          runAsNonRoot: true,
          seccompProfile: { type: 'RuntimeDefault' },
        })
        expect(pod).not.toHaveProperty('hostNetwork')
        for (const step of stepsOf(job)) {
          expect(objectAt(step).securityContext).toEqual({
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          })
          expect(commandOf(step)).not.toMatch(/\b(sh|bash)\b/)
        }
        const allowed = [
          'name',
          'emptyDir',
          'ephemeral',
          'secret',
          'configMap',
          'persistentVolumeClaim',
          'downwardAPI',
        ]
        for (const volume of listAt(pod, 'volumes'))
          expect(allowed).toEqual(expect.arrayContaining(Object.keys(objectAt(volume))))
      }
    }),
  )
})

test('every mount has its volume, and KServe’s container never the mirror’s credentials', () => {
  fc.assert(
    fc.property(fills, (fill) => {
      const job = jobOf(fill)
      const names = listAt(podOf(job), 'volumes').map((volume) => stringAt(volume, 'name'))
      expect(new Set(names).size).toBe(names.length)
      for (const step of stepsOf(job)) {
        const mounts = listAt(step, 'volumeMounts').map((mount) => stringAt(mount, 'name') ?? '')
        expect(names).toEqual(expect.arrayContaining(mounts))
        if (stringAt(step, 'name') === 'storage-initializer')
          expect(mounts).not.toContain('mirror-credentials')
      }
    }),
  )
})

test('the deadline, the retries, the space and the account are the policy’s', () => {
  const job = fillJob(
    fakeFilled(
      { labels: { 'azure.workload.identity/use': 'true' } },
      { timeoutMs: 90_500, retries: 5, scratch: { size: '9Gi', storageClassName: 'fast' } },
    ),
    '7',
  )
  expect(job.spec).toMatchObject({ backoffLimit: 5, activeDeadlineSeconds: 91 })
  expect(podOf(job).serviceAccountName).toBe('reader')
  expect(listAt(podOf(job), 'volumes')).toContainEqual({
    name: 'scratch',
    ephemeral: {
      volumeClaimTemplate: {
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: 'fast',
          resources: { requests: { storage: '9Gi' } },
        },
      },
    },
  })
  expect(job.metadata.annotations).toMatchObject({ 'warmgate.dev/refill': '7' })
  expect(objectAt(job, 'spec', 'template', 'metadata', 'labels')).toMatchObject({
    'azure.workload.identity/use': 'true',
    'warmgate.dev/fill': 'fill',
  })
})

test('no credential is in a Job: the query of a URI is an argument alone', () => {
  const uri = 'https://example.com/m.joblib?sig=top'
  const { container } = fakeFilled().fill.initializer
  const initializer = { container: { ...container, args: [uri, ''] } as JsonObject, volumes: [] }
  const job = fillJob(fakeFilled({ model: 'https://example.com/m.joblib', initializer }))
  expect(JSON.stringify(job).split('sig=top')).toHaveLength(2)
  expect(JSON.stringify([job.metadata, objectAt(job, 'spec', 'template', 'metadata')])).not.toContain('sig')
})
