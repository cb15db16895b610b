import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MirrorOptions, runMirror } from '../../src/cli/mirror.ts'
import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { systemClock } from '../../src/values/clock.ts'
import {
  getIn,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { rcloneImage, storageImage } from '../images/images.ts'
import { applyPolicy, isTrue, podsOf } from '../integration/await.ts'
import { custom, namespace, policyOf, service } from '../integration/services.ts'
import { leftovers } from '../node/leftovers.ts'
import type { RealNode } from '../node/node.ts'
import { type Containers, containersOn, isRunning } from './containers.ts'
import { type Engine, smallCache, startEngine, storeAccess } from './engine.ts'
import { type Asked, type Files, type Held, type Origins, startOrigins } from './origins.ts'
import { missingForEngine } from './requirements.ts'
import { accessKey, secretKey } from './store.ts'

/*
 * Mirrors that Jobs fill, with KServe's own storage initializer and rclone on a real node: what each kind of source
 * leaves in a mirror, and what is there if a step is killed.
 *
 * Services of `plain` have no Warmgate: what KServe gives them is what all others are compared with. In `fills` no
 * cache starts, since no node is as large as it asks for. In `models` caches run.
 */

const run = promisify(execFile)
const { dataset, inferenceService, job } = resources
const token = 'hf_the-token-of-a-tenant'
const patient = { timeoutMs: 120_000 }

/** Names that the ValidatingAdmissionPolicy has in its list, as manifests/base ships it. */
const images = { storage: 'docker.io/kserve/storage-initializer:v0.20.0', rclone: 'rclone/rclone:1.69.3' }
const weights = randomBytes(3 * 2 ** 20)
const bloom: Files = {
  'config.json': Buffer.from('{"model_type": "bloom"}'),
  'tokenizer/vocab.txt': Buffer.from('a\nb\n'),
  'weights.safetensors': weights,
}
const otherRevision: Files = { 'config.json': Buffer.from('{"model_type": "bloom", "revision": 2}') }
const ungated = { revisions: { main: bloom } }
const hub = {
  'org/bloom': ungated,
  'org/gated': { revisions: { main: otherRevision, v3: bloom }, token },
  'claimed/bloom': ungated,
  ...Object.fromEntries(
    ['download', 'before', 'copy', 'check', 'mark'].map((step) => [`kill/${step}`, ungated]),
  ),
}

/** Reads all that a pod sees of its model, as a model server does, and logs the digests. */
const reader: JsonObject = {
  image: images.storage,
  command: [
    ...[
      'sh',
      '-c',
      'cd /mnt/models && find -L . -type f -exec sha256sum {} + && echo all && exec sleep 3600',
    ],
  ],
  securityContext: { runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true },
  resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { cpu: '1', memory: '256Mi' } },
}

interface Digests {
  [path: string]: string
}

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex')
const digestsOf = (files: Files): Digests =>
  Object.fromEntries(Object.entries(files).map(([path, content]) => [path, sha256(content)]))

function without(digests: Digests, path: string): Digests {
  const { [path]: _, ...others } = digests
  return others
}

const lacking = await missingForEngine()

describe.skipIf(lacking !== undefined)('a mirror that a Job fills', () => {
  let folder: string
  let engine: Engine
  let origins: Origins
  let node: RealNode
  let onNode: Containers
  let sources: { [name: string]: { uri: string; account?: string } }
  /** The caches of the services of `fills`. */
  const caches: { [name: string]: string } = {}
  const kills: { [step: string]: Held } = {}
  /** All at once: a client does not wait for long. */
  const killing: { [step: string]: Promise<void> } = {}

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmgate-fill-'))
    const progress = () => {}
    const [storage, rclone] = [await storageImage(progress), await rcloneImage(progress)]
    const named = [
      { ...storage, name: images.storage },
      { ...rclone, name: `docker.io/${images.rclone}` },
    ]
    engine = await startEngine({ nodes: 1, images: named })
    const { store, stage, network, nodes } = engine
    node = nodes[0] as RealNode
    onNode = await containersOn(node)
    for (const bucket of ['models', 'mirror']) await store.createBucket(bucket)
    const objects: Files = {
      'bloom/config.json': bloom['config.json'] as Buffer,
      'bloom/deep/er/weights.bin': weights,
      'bloom-2/x': Buffer.from('of another model'),
      'single.joblib': weights.subarray(0, 2 ** 20),
    }
    for (const [path, content] of Object.entries(objects)) await store.put(`models/${path}`, content)
    const web = { '/archives/bloom.tar.gz': await archive() }
    origins = await startOrigins({ network, folder, hub, web, store: { url: store.url, bucket: 'mirror' } })
    sources = {
      hub: { uri: 'hf://org/bloom' },
      gated: { uri: 'hf://org/gated:v3', account: 'hub-reader' },
      archive: { uri: `https://${origins.host}/archives/bloom.tar.gz` },
      file: { uri: 's3://models/single.joblib' },
      directory: { uri: 's3://models/bloom' },
    }
    await configureKserve()
    for (const ns of ['plain', 'fills', 'models', 'restricted']) await applyAll(stage.client, access(ns))
    await node.run(['install', '--directory', '--mode', '777', claimFolder])
    await applyAll(stage.client, claim)
    await applyPolicy(stage.client, policyOf('fills', { ...fillsPolicy, warmup: { retries: 3 } }))
    await applyPolicy(stage.client, policyOf('models', modelsPolicy))
  })

  afterAll(async () => {
    await origins?.stop()
    await engine?.stop()
    await rm(folder, { recursive: true })
    if (node !== undefined) expect(leftovers(node)).toEqual([])
  })

  /** A tar.gz with a folder, and with a link inside of it: a bucket has no links. */
  async function archive(): Promise<Buffer> {
    const root = join(folder, 'archive')
    for (const [path, content] of Object.entries(bloom)) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), content)
    }
    await symlink('weights.safetensors', join(root, 'model.safetensors'))
    const file = join(folder, 'bloom.tar.gz')
    await run('tar', ['-czf', file, '-C', root, '.'])
    return await readFile(file)
  }

  /** The hub's address and the authority of the web server, as an administrator of KServe gives them. */
  async function configureKserve(): Promise<void> {
    const { client } = engine.stage
    const env = [{ name: 'HF_ENDPOINT', value: `http://${origins.host}` }]
    const container = {
      name: 'storage-initializer',
      image: images.storage,
      imagePullPolicy: 'IfNotPresent',
      env,
    }
    await applyAll(client, [
      {
        apiVersion: 'serving.kserve.io/v1alpha1',
        kind: 'ClusterStorageContainer',
        metadata: { name: 'default' },
        spec: { container },
      },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'authorities', namespace: 'kserve' },
        data: { 'cabundle.crt': origins.authority },
      },
    ])
    const key = { namespace: 'kserve', name: 'inferenceservice-config' }
    const settings = await client.get(resources.configMap, key)
    const initializer = JSON.parse(stringAt(settings, 'data', 'storageInitializer') ?? '{}')
    const storageInitializer = JSON.stringify({ ...initializer, caBundleConfigMapName: 'authorities' })
    await client.patch(resources.configMap, key, { type: 'merge', body: { data: { storageInitializer } } })
  }

  /** A namespace with accounts and Secrets, and the right to create Jobs. */
  function access(ns: string): KubeObject[] {
    const labels: { [name: string]: string } = {
      plain: {},
      restricted: { 'pod-security.kubernetes.io/enforce': 'restricted' },
    }[ns] ?? { 'warmgate.dev/acceleration': 'enabled' }
    const secret = (name: string, stringData: JsonObject): KubeObject => {
      return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: ns }, stringData }
    }
    const keys = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey }
    return [
      namespace(ns, labels),
      ...storeAccess(ns, engine.store),
      secret('hub-token', { HF_TOKEN: token }),
      secret('mirror-access', { ...keys, S3_ENDPOINT: origins.host, S3_USE_HTTPS: '0' }),
      {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: 'hub-reader', namespace: ns },
        secrets: [{ name: 'hub-token' }],
      },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: 'warmgate-fills', namespace: ns },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'warmgate-fills' },
        subjects: [{ kind: 'ServiceAccount', name: 'warmgate', namespace: 'warmgate-system' }],
      },
    ]
  }

  function predictor({ uri, account = 'reader' }: { uri: string; account?: string }): JsonObject {
    return { serviceAccountName: account, ...custom(uri, reader) }
  }

  async function create(
    ns: string,
    name: string,
    source: { uri: string; account?: string },
  ): Promise<string> {
    const made = await engine.stage.client.create(inferenceService, service(ns, name, predictor(source)))
    return cacheNames(made)[0] ?? ''
  }

  /** What a pod of a service has read. */
  async function readBy(ns: string, name: string): Promise<Digests> {
    return await until(
      `a pod of ${ns}/${name} that has read its model`,
      async () => {
        const [pod] = await podsOf(engine.stage.client, ns, name)
        if (pod === undefined || stringAt(pod, 'status', 'phase') !== 'Running') return undefined
        const log = await node.logs(pod)
        return / F all$/m.test(log) ? digestsIn(log) : undefined
      },
      patient,
    )
  }

  function digestsIn(text: string): Digests {
    const found = [...text.matchAll(/(?:^| )([0-9a-f]{64}) {2}\.\/(.*)$/gm)]
    return Object.fromEntries(found.map(([, digest = '', path = '']) => [path, digest]))
  }

  /** The files of a directory of the mirror, as the store has them. */
  async function stored(path: string): Promise<Digests> {
    const root = join(engine.store.objects, 'mirror', path)
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    const digests = files.map(async (file) => [relative(root, file), sha256(await readFile(file))])
    return Object.fromEntries(await Promise.all(digests))
  }

  const markerOf = (path: string) => join(engine.store.objects, 'mirror/.warmgate', `${path}.json`)

  async function jobOf(ns: string, name: string): Promise<KubeObject | undefined> {
    return await engine.stage.client.get(job, { namespace: ns, name })
  }

  async function ended(ns: string, name: string, type: 'Complete' | 'Failed'): Promise<KubeObject> {
    return await until(
      `Job ${ns}/${name} to be ${type}`,
      async () => {
        const found = await jobOf(ns, name)
        if (found !== undefined && isTrue(found, type)) return found
        throw new Error(JSON.stringify(found?.status))
      },
      patient,
    )
  }

  async function podsOfJob(ns: string, name: string): Promise<KubeObject[]> {
    const labelSelector = `batch.kubernetes.io/job-name=${name}`
    return (await engine.stage.client.list(resources.pod, { namespace: ns, labelSelector })).items
  }

  /** Kills the process of a running container, as the kernel would. */
  async function kill(ns: string, name: string, step: string): Promise<void> {
    const pod = await until(`container ${step} of ${name}`, async () =>
      (await podsOfJob(ns, name)).find((each) => isRunning(each, step)),
    )
    await onNode.kill(pod, step)
    await until(`the end of ${step} of ${name}`, async () => {
      const found = await jobOf(ns, name)
      return Number(getIn(found, 'status', 'failed')) > 0 || undefined
    })
  }

  async function runMirrorOf(
    action: MirrorOptions['action'],
    { directories = [], yes = false }: Partial<Pick<MirrorOptions, 'directories' | 'yes'>> = {},
  ): Promise<{ text: string }> {
    const lines: string[] = []
    const [clock, signal] = [systemClock, AbortSignal.timeout(300_000)]
    const limits = { signal, timeoutMs: 120_000, olderThanMs: 0 }
    await runMirror(
      { client: engine.stage.client, clock, ...limits, namespace: 'fills', action, directories, yes },
      { stdout: { write: (chunk) => lines.push(String(chunk)) > 0 } },
    )
    return { text: lines.join('') }
  }

  /** Requests about a model in the mirror, without those about its marker. */
  const about = (path: string) => {
    const isOf = (url: string) => decodeURIComponent(url).includes(path)
    return ({ url }: Asked) => isOf(url) && !decodeURIComponent(url).includes('.warmgate')
  }

  /** Where a download is killed: the container, and the request at which it is then. */
  function holdAll(): void {
    let lists = 0
    const at: { [step: string]: (asked: Asked) => boolean } = {
      download: ({ method, url }) => method === 'GET' && /^\/kill\/download\/.*weights/.test(url),
      before: about('hf/kill/before@'),
      copy: (asked) => asked.method === 'PUT' && about('hf/kill/copy@/weights')(asked),
      // rclone lists a directory before it stores, and again before it checks.
      check: ({ method, url }) =>
        method === 'GET' && decodeURIComponent(url).endsWith('prefix=hf/kill/check@/') && ++lists === 2,
      mark: ({ method, url, bytes }) =>
        method === 'PUT' && bytes > 0 && decodeURIComponent(url).includes('.warmgate/hf/kill/mark@'),
      claim: ({ method, url }) => method === 'GET' && /^\/claimed\/.*weights/.test(url),
    }
    for (const [step, matches] of Object.entries(at)) kills[step] = origins.hold(matches)
  }

  async function killClaim(): Promise<void> {
    await kills.claim?.arrived
    await kill('models', `${caches.claimed}-fill`, 'storage-initializer')
    kills.claim?.release()
  }

  const containers: { [step: string]: string } = {
    download: 'storage-initializer',
    before: 'store',
    copy: 'store',
    check: 'check',
    mark: 'mark',
  }

  test('services of every kind of source are admitted, and start their downloads', async () => {
    holdAll()
    for (const [name, source] of Object.entries(sources)) await create('plain', name, source)
    const claimed = await create('models', 'claimed', { uri: 'hf://claimed/bloom' })
    expect(claimed).not.toBe('')
    caches.claimed = claimed
    const killed = Object.keys(containers).map(
      (step) => [`kill-${step}`, { uri: `hf://kill/${step}` }] as const,
    )
    for (const [name, source] of [...killed, ...Object.entries(sources)]) {
      caches[name] = await create('fills', name, source)
      expect(caches[name]).not.toBe('')
    }
    for (const [step, container] of Object.entries(containers)) killing[step] = killAt(step, container)
    killing.claim = killClaim()
    // Their tests report them.
    for (const each of Object.values(killing)) each.catch(() => {})
  })

  /** What of a download the mirror has when a step is killed. */
  const present: { [step: string]: Digests } = {
    download: {},
    before: {},
    copy: without(digestsOf(bloom), 'weights.safetensors'),
    check: digestsOf(bloom),
    mark: digestsOf(bloom),
  }

  test.for(Object.keys(containers))(
    'a download is killed at the step %s, and nothing is served then',
    (step) => killing[step],
  )

  async function killAt(step: string, container: string): Promise<void> {
    const [path, cache] = [`hf/kill/${step}@`, caches[`kill-${step}`] ?? '']
    await kills[step]?.arrived
    await until(`what is stored before ${step}`, async () => {
      expect(await stored(path)).toEqual(present[step])
      return true
    })
    expect((await stat(markerOf(path))).size).toBe(0)
    if (step === 'copy') await look(cache, 'half', 'Failed')
    await kill('fills', `${cache}-fill`, container)
    expect((await stat(markerOf(path))).size).toBe(0)
    expect(await engine.stage.client.get(dataset, { namespace: 'fills', name: cache })).toBeUndefined()
    kills[step]?.release()
  }

  test.for(Object.keys(containers))(
    'a download that was killed at the step %s is tried again',
    async (step) => {
      const [path, cache] = [`hf/kill/${step}@`, caches[`kill-${step}`] ?? '']
      await ended('fills', `${cache}-fill`, 'Complete')
      expect(await stored(path)).toEqual(digestsOf(bloom))
      expect(JSON.parse(await readFile(markerOf(path), 'utf8'))).toMatchObject({ path, by: 'fills' })
      if (step === 'copy') await look(cache, 'whole', 'Complete')
    },
  )

  /** Runs the look Job of a cache again, as another cluster with this mirror would. */
  async function look(cache: string, name: string, end: 'Complete' | 'Failed'): Promise<void> {
    await copyJob('fills', `${cache}-look`, { namespace: 'fills', name })
    const found = await ended('fills', name, end)
    const failure = listAt(found, 'status', 'conditions').find((each) => stringAt(each, 'type') === 'Failed')
    if (end === 'Failed') expect(stringAt(failure, 'reason')).toBe('PodFailurePolicy')
  }

  /** Runs a Job of Warmgate's once more. */
  async function copyJob(
    ns: string,
    name: string,
    metadata: { namespace: string; name: string },
  ): Promise<void> {
    const { spec } = (await jobOf(ns, name)) as KubeObject
    const { selector: _, template, ...rest } = objectAt(spec)
    const annotations = objectAt(template, 'metadata', 'annotations')
    const copied = { ...rest, template: { metadata: { annotations }, spec: objectAt(template, 'spec') } }
    await engine.stage.client.create(job, { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: copied })
  }

  const paths: { [name: string]: (host: string) => string } = {
    hub: () => 'hf/org/bloom@',
    gated: () => 'hf/org/gated@v3@',
    archive: (host) => `https/${host.replace(':', '=3A')}/archives/bloom.tar.gz@`,
    file: () => 's3/models/single.joblib@',
    directory: () => 's3/models/bloom@',
  }

  test.for(Object.keys(paths))('a mirror gets what KServe would have given: %s', async (name) => {
    const path = paths[name]?.(origins.host) ?? ''
    await ended('fills', `${caches[name]}-fill`, 'Complete')
    const given = await readBy('plain', name)
    const files = Object.entries(given).filter(([file]) => !file.startsWith('.cache/huggingface/'))
    // KServe lists by raw prefix.
    if (name === 'directory') expect(given).toHaveProperty(['-2/x'])
    expect(await stored(path)).toEqual(without(Object.fromEntries(files), '-2/x'))
    expect(files.length).toBeGreaterThan(0)
    expect(JSON.parse(await readFile(markerOf(path), 'utf8'))).toMatchObject({
      model: sources[name]?.uri,
      image: images.storage,
    })
  })

  test('a link of an archive is a file in the mirror', async () => {
    const found = await stored(paths.archive?.(origins.host) ?? '')
    expect(found['model.safetensors']).toBe(sha256(weights))
  })

  test('another namespace with the mirror downloads nothing, and its pod reads the model through a cache', async () => {
    const before = origins.asked.filter(({ url }) => url.includes('org/bloom'))
    const cache = await create('models', 'hub', sources.hub as { uri: string })
    expect(await readBy('models', 'hub')).toEqual(digestsOf(bloom))
    await ended('models', `${cache}-look`, 'Complete')
    expect(await jobOf('models', `${cache}-fill`)).toBeUndefined()
    const fromHub = ({ url }: Asked) => url.includes('org/bloom') && !url.startsWith('/mirror')
    expect(origins.asked.filter(fromHub)).toEqual(before.filter(fromHub))
  })

  test('a claim as the mirror: killed, filled again, nothing is left over, and a pod reads it through a cache', async () => {
    await killing.claim
    await ended('models', `${caches.claimed}-fill`, 'Complete')
    const list = (path: string) => node.run(['find', join(claimFolder, 'mirror', path), '-type', 'f'])
    expect(await list('.warmgate/staging')).toBe('')
    expect(await list('.warmgate/hf')).toContain('.warmgate/hf/claimed/bloom@.json')
    expect(await readBy('models', 'claimed')).toMatchObject(digestsOf(bloom))
  })

  test('warmgate mirror lists who uses what, and deletes only what nothing uses', async () => {
    for (const path of ['hf/org/old@/config.json', '.warmgate/hf/org/old@.json'])
      await engine.store.put(`mirror/${path}`, Buffer.from('{}'))
    const listed = await runMirrorOf('list')
    expect(listed.text).toMatch(/^hf\/org\/old@ +2 B +1 +complete +\S+ +-$/m)
    expect(listed.text).toMatch(/^hf\/org\/bloom@ +3 MiB +3 +complete +.*InferenceService fills\/hub/m)
    const pruned = await runMirrorOf('prune', { directories: ['hf/org/old@', 'hf/org/bloom@'], yes: true })
    expect(pruned.text).toMatch(/^stays +hf\/org\/bloom@: used by .*InferenceService fills\/hub/m)
    expect(pruned.text).toContain('deleted: 1')
    expect(await stored('hf/org/old@')).toEqual({})
    await expect(stat(markerOf('hf/org/old@'))).rejects.toThrow('ENOENT')
    expect(await stored('hf/org/bloom@')).toEqual(digestsOf(bloom))
  })

  test('a Job fits into Pod Security restricted, and into a quota', async () => {
    const { client } = engine.stage
    const ns = 'restricted'
    const bundle = await client.get(resources.configMap, { namespace: 'fills', name: 'global-ca-bundle' })
    const data = objectAt(bundle, 'data')
    const metadata = { name: 'small', namespace: ns }
    const hard = {
      pods: '2',
      'requests.cpu': '1',
      'requests.memory': '1Gi',
      'limits.cpu': '2',
      'limits.memory': '2Gi',
    }
    await applyAll(client, [
      { apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec: { hard } },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'global-ca-bundle', namespace: ns }, data },
    ])
    await copyJob('fills', `${caches.gated}-fill`, { namespace: ns, name: 'again' })
    await ended(ns, 'again', 'Complete')
    const [pod] = await podsOfJob(ns, 'again')
    const codes = listAt(pod, 'status', 'initContainerStatuses').map((each) =>
      getIn(each, 'state', 'terminated', 'exitCode'),
    )
    expect(codes).toEqual([0, 0, 0, 0])
  })
})

const limits = { cpu: '1', memory: '512Mi' }
const mirror = {
  mirror: 's3://mirror/',
  credentials: { secretName: 'mirror-access' },
  fill: { timeout: '8m', sources: 'All', share: 'All', scratch: { size: '1Gi' }, resources: { limits } },
}
const tooLarge = { requests: { cpu: '900' } }
const fillsPolicy: JsonObject = {
  cache: { resources: { master: tooLarge, worker: tooLarge } },
  sources: [{ match: ['hf://', 'https://', 's3://'], ...mirror }],
}
const modelsPolicy: JsonObject = {
  cache: smallCache,
  sources: [
    { match: ['hf://claimed/'], mirror: 'pvc://shared/mirror/', fill: { timeout: '8m', share: 'All' } },
    { match: ['hf://'], runtime: 'Alluxio', ...mirror },
  ],
}

const claimFolder = '/var/lib/warmgate-claim'
const capacity = { storage: '1Gi' }
const claim: KubeObject[] = [
  {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'shared' },
    spec: {
      capacity,
      accessModes: ['ReadWriteMany'],
      hostPath: { path: claimFolder },
      claimRef: { namespace: 'models', name: 'shared' },
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: '',
    },
  },
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'shared', namespace: 'models' },
    spec: {
      accessModes: ['ReadWriteMany'],
      resources: { requests: capacity },
      storageClassName: '',
      volumeName: 'shared',
    },
  },
]
