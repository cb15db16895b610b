import { ourMetadata } from '../fluid/dataset.ts'
import { componentResources } from '../fluid/runtime.ts'
import { fillLabel, markerAnnotation, refillAnnotation } from '../values/keys.ts'
import { type JsonObject, type KubeObject, listAt, type ObjectKey } from '../values/object.ts'
import type { Fill, Filled } from './fill.ts'
import { type Remote, remoteOf } from './remote.ts'

/** The label of all Jobs that read or fill a mirror. */
export const fillJobSelector = fillLabel

/** Look: a Job that ends well if a mirror has the model. Fill: the Job that downloads and stores it. */
export type FillStep = 'look' | 'fill'

export function fillJobKey({ namespace, name }: ObjectKey, step: FillStep): ObjectKey {
  return { ...(namespace !== undefined && { namespace }), name: `${name}-${step}` }
}

export function cacheOfJob({ metadata: { namespace = '', name = '' } }: KubeObject): ObjectKey {
  return { namespace, name: name.replace(/-(look|fill)$/, '') }
}

/** The exit codes of rclone if there is nothing to copy: no directory, no file, no transfer. */
const absentCodes = [3, 4, 9]
// Keep a finished Job for a day, so that its result can be read.
const timeToLiveSeconds = 86_400
const lookSeconds = 600
const scratchPath = '/mnt/models'
const workPath = '/work'
const markPath = '/mark'
const user = 1_000

/**
 * The Job that looks for a model's marker. It fails at once, by its `podFailurePolicy`, if there is none;
 * other errors are retried.
 */
export function lookJob(cache: Filled): KubeObject {
  const { fill } = cache
  const remote = remoteOf(fill.store)
  const { directory, file } = markerOf(fill, remote)
  const look = rclone(fill, remote, 'look', [
    ...['copy', directory, workPath, '--include', `/${file}`, '--max-depth', '1'],
    // The marker is empty while its model is being stored.
    ...['--min-size', '1B', '--error-on-no-transfer'],
  ])
  const mounts = [...remote.mounts, { name: 'work', mountPath: workPath }]
  return job(cache, 'look', {
    activeDeadlineSeconds: lookSeconds,
    podFailurePolicy: {
      rules: [
        {
          action: 'FailJob',
          onExitCodes: { containerName: 'look', operator: 'In', values: absentCodes },
        },
      ],
    },
    template: {
      containers: [{ ...look, volumeMounts: mounts }],
      volumes: [...remote.volumes, work],
    },
  })
}

/**
 * The Job that fills a mirror: it empties the marker, runs KServe's storage initializer, stores what that has
 * downloaded, checks it, and writes the marker last. So the marker is there, and not empty, only if the
 * directory is complete. Each step is a container, and its command one call of rclone.
 *
 * A download for a claim goes into a directory of the pod's own, and is renamed. What killed pods of the Job have
 * left there is deleted first. Two Jobs for one model write the same files: a check fails, and its Job is tried
 * again, if the other one has stored something else meanwhile.
 */
export function fillJob(cache: Filled, refill?: string): KubeObject {
  const { fill } = cache
  const { store, initializer, settings } = fill
  const remote = remoteOf(store)
  const { directory, file } = markerOf(fill, remote)
  const target = `${remote.root}/${fill.path}`
  const call = (name: string, args: string[]) => rclone(fill, remote, name, args)
  const isClaim = store.kind === 'Claim'
  const stagings = `${remote.root}/.warmgate/staging/${cache.namespace}.${cache.name}`
  const staging = `${stagings}/$(POD_NAME)`
  // A directory that was empty from the start: what is made the same as it, is empty.
  const clean = isClaim ? [call('clean', ['sync', workPath, stagings])] : []
  const what = downloadedFiles(fill)
  const storing = isClaim
    ? [call('store', ['moveto', staging, target, '--links'])]
    : [
        call('store', ['copy', scratchPath, target, '--checksum', ...what]),
        call('check', ['check', scratchPath, target, '--one-way', ...what]),
      ]
  const mark = call('mark', ['copyto', `${markPath}/marker`, `${directory}/${file}`, '--copy-links'])
  const unmark = call('unmark', ['copyto', `${markPath}/none`, `${directory}/${file}`, '--copy-links'])
  const scratch = isClaim ? [] : [{ name: 'scratch', mountPath: scratchPath }]
  const empty = isClaim ? [{ name: 'work', mountPath: workPath, readOnly: true }] : []
  // KServe's container gets a place to write to, and never the credentials of a mirror.
  const ours = [...remote.mounts, ...scratch, ...empty, { name: 'mark', mountPath: markPath, readOnly: true }]
  const download = downloadStep(initializer.container, {
    directory: isClaim ? staging : scratchPath,
    mounts: isClaim ? remote.mounts : scratch,
  })
  const withMounts = (container: JsonObject) => ({ ...container, volumeMounts: ours })
  return job(cache, 'fill', {
    activeDeadlineSeconds: Math.max(1, Math.ceil(settings.timeoutMs / 1_000)),
    // A pod that is being deleted has ended before the next one starts.
    podReplacementPolicy: 'Failed',
    ...(refill === undefined ? {} : { refill }),
    template: {
      initContainers: [...[unmark, ...clean].map(withMounts), download, ...storing.map(withMounts)],
      containers: [withMounts(mark)],
      volumes: [...initializer.volumes, ...remote.volumes, markVolume, isClaim ? work : scratchVolume(fill)],
    },
  })
}

/**
 * The options of rclone that choose what is stored in a bucket.
 *
 * A bucket has no symbolic links, and rclone would silently leave them out: it stores what they lead to. KServe
 * refuses an archive with links that lead out of it. The links of a Git repository may lead anywhere, for example
 * to the variables of the storing container, so they stay out. Hugging Face's client keeps its notes beside the
 * files, with the time of the download: with them, two Jobs for one model would never store the same.
 */
function downloadedFiles({ model }: Fill): string[] {
  return [
    ...(/^https?:.*\.git/.test(model) ? [] : ['--copy-links']),
    ...(model.startsWith('hf://') ? ['--exclude', '/.cache/huggingface/**'] : []),
  ]
}

/** The initializer with its directory. A claim's staging directory has the name of the pod. */
function downloadStep(
  container: JsonObject,
  { directory, mounts }: { directory: string; mounts: JsonObject[] },
): JsonObject {
  const [uri = ''] = listAt(container, 'args')
  return {
    ...container,
    args: [uri, directory],
    env: [podName, ...listAt(container, 'env')],
    volumeMounts: [...listAt(container, 'volumeMounts'), ...mounts],
    securityContext,
  }
}

const podName = { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }
const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
const work = { name: 'work', emptyDir: { sizeLimit: '16Mi' } }
const markVolume = {
  name: 'mark',
  downwardAPI: {
    items: [
      { path: 'marker', fieldRef: { fieldPath: `metadata.annotations['${markerAnnotation}']` } },
      // A missing annotation becomes an empty file.
      { path: 'none', fieldRef: { fieldPath: `metadata.annotations['${markerAnnotation}-none']` } },
    ],
  },
}

function scratchVolume({ settings: { scratch } }: Fill): JsonObject {
  const { size, storageClassName } = scratch
  if (storageClassName === undefined) return { name: 'scratch', emptyDir: { sizeLimit: size } }
  const spec = {
    accessModes: ['ReadWriteOnce'],
    storageClassName,
    resources: { requests: { storage: size } },
  }
  return { name: 'scratch', ephemeral: { volumeClaimTemplate: { spec } } }
}

/** The place of a model's marker: outside of the directory that is served. */
function markerOf({ path }: Fill, { root }: Remote): { directory: string; file: string } {
  const above = path.slice(0, path.lastIndexOf('/') + 1)
  const directory = `${root}/.warmgate/${above}`.replace(/\/$/, '')
  return { directory, file: `${path.slice(above.length)}.json` }
}

export function rclone({ settings }: Fill, remote: Remote, name: string, args: string[]): JsonObject {
  return {
    name,
    image: settings.image,
    command: ['rclone', ...args],
    env: [
      podName,
      { name: 'HOME', value: '/tmp' },
      { name: 'RCLONE_CONFIG', value: '/dev/null' },
      ...remote.env,
    ],
    resources: componentResources(settings.resources),
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext,
  }
}

interface Parts {
  activeDeadlineSeconds: number
  podFailurePolicy?: JsonObject
  podReplacementPolicy?: string
  refill?: string
  template: JsonObject
}

export function job(
  { name, namespace, fill }: Filled,
  step: FillStep | 'list' | 'prune',
  { template, refill, ...limits }: Parts,
): KubeObject {
  const { settings, account, labels, model, initializer } = fill
  const metadata = ourMetadata({ name: `${name}-${step}`, namespace, uri: model })
  const marker = JSON.stringify({ model, path: fill.path, by: namespace, image: initializer.container.image })
  const ours = { ...metadata.labels, [fillLabel]: step }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      ...metadata,
      labels: ours,
      annotations: { ...metadata.annotations, ...(refill !== undefined && { [refillAnnotation]: refill }) },
    },
    spec: {
      backoffLimit: settings.retries,
      ttlSecondsAfterFinished: timeToLiveSeconds,
      ...limits,
      template: {
        metadata: {
          // A sidecar of Istio would never end.
          labels: { ...labels, ...ours, 'sidecar.istio.io/inject': 'false' },
          annotations: { [markerAnnotation]: marker },
        },
        spec: {
          restartPolicy: 'Never',
          serviceAccountName: account,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: user,
            runAsGroup: user,
            fsGroup: user,
            fsGroupChangePolicy: 'OnRootMismatch',
            seccompProfile: { type: 'RuntimeDefault' },
          },
          ...(settings.tolerations.length === 0
            ? {}
            : { tolerations: settings.tolerations.map((each) => ({ ...each })) }),
          ...template,
        },
      },
    },
  }
}
