import type { Filled } from '../fill/fill.ts'
import { fillJobSelector } from '../fill/job.ts'
import { listJob, type MirrorDirectory, parseListing, pruneJob } from '../fill/listing.ts'
import { lastLines } from '../fill/output.ts'
import { hasEnded } from '../fill/progress.ts'
import { kserveConfigName } from '../kserve/config.ts'
import type { KubeClient } from '../kube/client.ts'
import { deleteByUid } from '../kube/delete.ts'
import { hasStatus } from '../kube/errors.ts'
import { listInstalled } from '../kube/list.ts'
import { type Resource, resources } from '../kube/resources.ts'
import { type FilledMirror, filledMirrors } from '../plan/service/fill.ts'
import type { SourceRefused } from '../plan/service/source.ts'
import { isInScope } from '../policy/scope.ts'
import { matchesSelector } from '../policy/selector.ts'
import { waitedFor } from '../restore/context.ts'
import { type Clock, timestamp } from '../values/clock.ts'
import { isTrue } from '../values/condition.ts'
import { formatDuration } from '../values/duration.ts'
import { markerAnnotation } from '../values/keys.ts'
import { getIn, type KubeObject, listAt, stringAt } from '../values/object.ts'
import { formatSize } from '../values/size.ts'
import { trimEndSlashes } from '../values/text.ts'
import { ManifestFacts } from './manifest-facts.ts'
import { type Column, table } from './table.ts'
import { type Printing, type Say, sayTo } from './terminal.ts'

export interface MirrorOptions {
  client: KubeClient
  clock: Clock
  signal: AbortSignal
  namespace: string
  action: 'list' | 'prune'
  directories: string[]
  /** The URI of one mirror, if there are several. */
  mirror?: string | undefined
  /** Do it, instead of only printing what would be done. */
  yes: boolean
  olderThanMs: number
  timeoutMs: number
}

/** A directory of a mirror, and what of this cluster uses it. */
interface UsedDirectory extends MirrorDirectory {
  users: string[]
}

// A mirror of a thousand models with a hundred files each has a listing of some 10 MiB.
const mostBytes = 128 * 2 ** 20
// The command line of a container has some 2 MiB.
const mostPruned = 500

/**
 * `warmgate mirror`: lists what is in the mirrors that policies fill in a namespace, and what of this cluster uses it;
 * or deletes what nothing uses. A Job of the namespace does both, with the mirror's credentials. Resolves with the
 * exit status: 1 if a mirror cannot be read, or a named directory cannot be deleted.
 */
export async function runMirror(options: MirrorOptions, printing: Printing): Promise<0 | 1> {
  const say = sayTo(printing)
  const mirrors = await mirrorsOf(options)
  if (mirrors.length === 0) {
    say(`no policy fills a mirror in namespace ${options.namespace}`)
    return 1
  }
  const results: (0 | 1)[] = []
  for (const mirror of mirrors) {
    if ('ok' in mirror) {
      say(`${mirror.reason}: ${mirror.message}`)
      results.push(1)
    } else results.push(await (options.action === 'list' ? list : prune)(mirror, options, say))
  }
  return results.every((result) => result === 0) ? 0 : 1
}

async function list(mirror: FilledMirror, options: MirrorOptions, say: Say): Promise<0 | 1> {
  say(`${mirror.uri}:`)
  const found = await read(mirror, options, say)
  if (found === undefined) return 1
  for (const line of found.length === 0 ? ['empty'] : table(columns, found)) say(line)
  return 0
}

const columns: Column<UsedDirectory>[] = [
  ['DIRECTORY', ({ path }) => path],
  ['SIZE', ({ bytes }) => formatSize(bytes)],
  ['FILES', ({ files }) => String(files)],
  ['STATE', ({ state }) => state],
  ['WRITTEN', ({ newestMs }) => timestamp(newestMs)],
  ['USED BY', ({ users }) => users.join(', ') || '-'],
]

async function prune(mirror: FilledMirror, options: MirrorOptions, say: Say): Promise<0 | 1> {
  const { clock, directories, olderThanMs, yes } = options
  say(`${mirror.uri}:`)
  const found = await read(mirror, options, say)
  if (found === undefined) return 1
  const named = directories.length === 0 ? found : found.filter(({ path }) => directories.includes(path))
  const kept = named.filter(({ users }) => users.length > 0)
  const unused = named.filter(({ users }) => users.length === 0)
  const old = unused.filter(({ newestMs }) => clock.now() - newestMs >= olderThanMs).slice(0, mostPruned)
  if (directories.length > 0)
    for (const { path, users } of kept) say(`stays   ${path}: used by ${users.join(', ')}`)
  if (unused.length > old.length)
    say(`stays   ${unused.length - old.length} more, written in the last ${formatDuration(olderThanMs)}`)
  for (const { path, bytes, state } of old) say(`delete  ${path}: ${formatSize(bytes)}, ${state}`)
  const status = directories.length > 0 && old.length < directories.length ? 1 : 0
  if (old.length === 0) {
    say('nothing to delete')
    return status
  }
  if (!yes) {
    say(`to delete: ${old.length}; run again with --yes. Other clusters may use them, too`)
    return status
  }
  const paths = old.map(({ path }) => path)
  // A service may have come since.
  const users = await usersOf(mirror, options)
  const free = paths.filter((path) => !users.has(path))
  if (free.length === 0) {
    say('nothing to delete: all of it has come into use')
    return 1
  }
  const done = await run(pruneJob(filledOf(mirror, options), free), options, say)
  if (done === undefined) return 1
  say(`deleted: ${free.length}`)
  return status
}

async function read(
  mirror: FilledMirror,
  options: MirrorOptions,
  say: Say,
): Promise<UsedDirectory[] | undefined> {
  const text = await run(listJob(filledOf(mirror, options)), options, say)
  if (text === undefined) return undefined
  const users = await usersOf(mirror, options)
  return parseListing(text).map((each) => ({ ...each, users: users.get(each.path) ?? [] }))
}

/** The mirrors that the policies of a namespace fill, each once. */
async function mirrorsOf(options: MirrorOptions): Promise<(FilledMirror | SourceRefused)[]> {
  const { client, namespace, signal } = options
  const [found, policies, configMaps] = await Promise.all([
    client.get(resources.namespace, { name: namespace }, { signal }),
    listInstalled(client, resources.accelerationPolicy, { signal }),
    client.list(resources.configMap, { fieldSelector: `metadata.name=${kserveConfigName}`, signal }),
  ])
  const secrets = await Promise.all(
    secretsOf(policies).map((name) => client.get(resources.secret, { namespace, name }, { signal })),
  )
  const objects = [found, ...policies, ...configMaps.items, ...secrets].filter((each) => each !== undefined)
  const manifests = objects.map((object) => ({ object, place: `${object.kind} ${object.metadata.name}` }))
  const facts = new ManifestFacts(manifests, { installed: [] }).factsFor(serviceIn(namespace))
  const mirrors = facts.policies
    .filter(({ spec }) => isInScope(spec, facts.namespaceLabels))
    .filter(({ spec }) => matchesSelector(spec.namespaceSelector, facts.namespaceLabels))
    .flatMap((policy) => filledMirrors(policy, facts))
    .filter((each) => 'ok' in each || options.mirror === undefined || each.uri.startsWith(options.mirror))
  return [...new Map(mirrors.map((each) => ['ok' in each ? each.message : each.uri, each])).values()]
}

function secretsOf(policies: KubeObject[]): string[] {
  const names = policies.flatMap((policy) =>
    listAt(policy, 'spec', 'sources').flatMap((source) => [
      stringAt(source, 'credentials', 'secretName') ?? [],
      stringAt(source, 'fill', 'credentials', 'secretName') ?? [],
    ]),
  )
  return [...new Set(names.flat())]
}

function serviceIn(namespace: string): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { namespace, name: 'any' },
    spec: { predictor: {} },
  }
}

/** The mirror in the form of a download. Its Jobs need only a part of that. */
function filledOf(
  { uri, mirror, account = 'default' }: FilledMirror,
  { clock, namespace }: MirrorOptions,
): Filled {
  return {
    name: `warmgate-mirror-${clock.now().toString(36)}`,
    namespace,
    fill: {
      ...mirror,
      model: uri,
      path: '',
      initializer: { container: { image: mirror.settings.image }, volumes: [] },
      account,
      labels: {},
    },
  }
}

/** What of this cluster uses the directories of a mirror, by their path: Datasets, and Jobs that fill them. */
async function usersOf(
  { uri }: FilledMirror,
  { client, namespace, signal }: MirrorOptions,
): Promise<Map<string, string[]>> {
  const read = async (resource: Resource, labelSelector?: string) => {
    const select = { signal, labelSelector }
    try {
      return await listInstalled(client, resource, select)
    } catch (error) {
      if (!hasStatus(error, 403)) throw error
      return await listInstalled(client, resource, { ...select, namespace })
    }
  }
  const [datasets, jobs] = await Promise.all([read(resources.dataset), read(resources.job, fillJobSelector)])
  const used = [
    ...datasets.flatMap((dataset) =>
      listAt(dataset, 'spec', 'mounts').flatMap((mount) => {
        const point = trimEndSlashes(stringAt(mount, 'mountPoint') ?? '')
        return point.startsWith(uri) ? [[point.slice(uri.length), namesOf(dataset)] as const] : []
      }),
    ),
    ...jobs
      .filter((job) => !hasEnded(job))
      .map((job) => [pathOf(job), [`Job ${job.metadata.namespace}/${job.metadata.name}`]] as const),
  ]
  const users = new Map<string, string[]>()
  for (const [path, names] of used) users.set(path, [...(users.get(path) ?? []), ...names])
  return users
}

/** The services and policies that own a Dataset; else the Dataset. */
function namesOf({ metadata: { namespace, name, ownerReferences = [] } }: KubeObject): string[] {
  const owners = ownerReferences.map((owner) => `${owner.kind} ${namespace}/${owner.name}`)
  return owners.length > 0 ? owners : [`Dataset ${namespace}/${name}`]
}

/** The directory that a Job looks for or fills, as its marker says. */
function pathOf(job: KubeObject): string {
  const text = getIn(job, 'spec', 'template', 'metadata', 'annotations', markerAnnotation)
  try {
    return stringAt(JSON.parse(String(text)), 'path') ?? ''
  } catch {
    return ''
  }
}

/** Runs a Job to its end, and deletes it. Resolves with what it printed; undefined if it failed. */
async function run(object: KubeObject, options: MirrorOptions, say: Say): Promise<string | undefined> {
  const { client, namespace } = options
  const made = await client.create(resources.job, object)
  const { name = '' } = made.metadata
  let job: KubeObject | undefined = made
  try {
    await waitedFor(options, async () => {
      job = await client.get(resources.job, { namespace, name })
      return job === undefined || hasEnded(job) ? undefined : 'it runs'
    })
    const isComplete = job !== undefined && isTrue(job, 'Complete')
    const pods = await podsOf(name, options)
    if (isComplete) return await output(pods, options)
    const lines = lastLines(pods)
    const said = lines === undefined ? '' : `: ${lines}`
    say(`Job ${namespace}/${name} ${job && hasEnded(job) ? 'failed' : 'has not ended'}${said}`)
    return undefined
  } finally {
    await deleteByUid(client, resources.job, made)
  }
}

async function podsOf(job: string, { client, namespace, signal }: MirrorOptions): Promise<KubeObject[]> {
  const labelSelector = `batch.kubernetes.io/job-name=${job}`
  return signal.aborted ? [] : (await client.list(resources.pod, { namespace, labelSelector, signal })).items
}

async function output(pods: KubeObject[], { client, namespace, signal }: MirrorOptions): Promise<string> {
  const pod = pods.find((each) => stringAt(each, 'status', 'phase') === 'Succeeded') ?? pods[0]
  const container = stringAt(pod, 'spec', 'containers', 0, 'name')
  if (pod?.metadata.name === undefined || container === undefined) return ''
  return await client.logs({ namespace, name: pod.metadata.name }, { container, mostBytes, signal })
}
