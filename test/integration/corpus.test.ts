import { afterAll, beforeAll, expect, test } from 'vitest'
import { ManifestFacts } from '../../src/cli/manifest-facts.ts'
import { findModelLocations } from '../../src/kserve/location.ts'
import { type Plan, plan } from '../../src/plan/plan.ts'
import { type KubeObject, objectAt, stringAt } from '../../src/values/object.ts'
import { type Corpus, provideCorpora } from '../cluster/corpus.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { applyPolicy } from './await.ts'
import { namespace, suitePolicy } from './services.ts'

/*
 * Every service in the modules of KServe's releases, planned from its file alone and then created (as a dry
 * run) on a real API server with the webhooks of Warmgate and of the newest of these releases. corpus.md
 * is what came of each: `vitest -u` writes it again.
 */

const home = 'corpus'
/** Most samples read a public bucket of Google without credentials, which Alluxio does only as its node. */
const sources = [{ match: ['s3://', 'gs://'], credentials: { identity: 'Node' } }]
const policy: KubeObject = { ...suitePolicy(home), spec: { ...objectAt(suitePolicy(home), 'spec'), sources } }
/** The same, with a mirror that is filled with what no Runtime mounts, and claims cached. */
const filling: KubeObject = {
  ...policy,
  spec: {
    ...objectAt(policy, 'spec'),
    sources: [
      {
        match: ['s3://', 'gs://', 'hf://', 'https://', 'http://', 'hdfs://', 'webhdfs://'],
        mirror: 'pvc://mirror/',
        credentials: { identity: 'Node' },
        fill: {},
      },
      { match: ['pvc://'] },
    ],
  },
}
let corpora: Corpus[]
let cluster: SharedCluster

interface Found {
  path: string
  service: KubeObject
  /** The service as JSON. */
  text: string
}

interface Listed extends Found {
  /** The releases that have it, newest first. */
  versions: string[]
}

interface Row extends Listed {
  planned: Plan
  /** With `filling`. */
  filled: Plan
  admitted: Admitted
}

type Admitted = { service: KubeObject } | { refusal: string }

beforeAll(async () => {
  corpora = await provideCorpora()
  cluster = await joinTestCluster('corpus')
  await cluster.client.create(resourceOf(namespace(home)), namespace(home))
  await applyAll(cluster.client, [...accounts(), ...runtimes()])
  await applyPolicy(cluster.client, policy)
})

/** The service accounts that services name. Warmgate decides only once they exist. */
function accounts(): KubeObject[] {
  const services = distinct(corpora).map(({ service }) => service)
  const names = services.flatMap((service) =>
    ['serviceAccountName', 'serviceAccount'].flatMap(
      (field) => stringAt(service, 'spec', 'predictor', field) ?? [],
    ),
  )
  return [...new Set(names)].map((name) => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, namespace: home },
  }))
}

/** The runtimes that services name, for the same reason, unless KServe ships them. */
function runtimes(): KubeObject[] {
  const services = distinct(corpora).map(({ service }) => service)
  const names = services.flatMap(
    (service) => stringAt(service, 'spec', 'predictor', 'model', 'runtime') ?? [],
  )
  return [...new Set(names)].map((name) => ({
    apiVersion: 'serving.kserve.io/v1alpha1',
    kind: 'ServingRuntime',
    metadata: { name, namespace: home },
    spec: { containers: [{ name: 'kserve-container', image: 'server:1' }] },
  }))
}

afterAll(async () => {
  await cluster?.stop()
})

test('each service of KServe’s samples is admitted as planned, and the table says what came of it', async () => {
  const rows: Row[] = []
  // One after another: the API server leaves a service unchanged if the webhook does not respond in time.
  for (const found of distinct(corpora)) rows.push(await rowOf(found))
  const surprises = rows.filter((row) => !isAsPlanned(row)).map(({ path }) => path)
  expect(surprises).toEqual([])
  await expect(document(rows)).toMatchFileSnapshot('corpus.md')
})

/**
 * Each service once. Releases change few of them: one that is the same in a newer release counts for that
 * one's rows, whatever its path was.
 */
function distinct(all: Corpus[]): Listed[] {
  const rows = new Map<string, Listed[]>()
  for (const { version, files } of all) {
    const own = Map.groupBy(files.flatMap(foundIn), ({ text }) => text)
    for (const [text, found] of own) {
      const known = rows.get(text)
      if (known === undefined)
        rows.set(
          text,
          found.map((each) => ({ ...each, versions: [version] })),
        )
      else for (const { versions } of known) versions.push(version)
    }
  }
  return [...rows.values()].flat().toSorted((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)))
}

function foundIn({ path, services }: Corpus['files'][number]): Found[] {
  return services.map((service) => ({ path, service, text: JSON.stringify(service) }))
}

async function rowOf({ path, service: found, text, versions }: Listed): Promise<Row> {
  const service = { ...found, metadata: { ...found.metadata, namespace: home } }
  const planBy = (by: KubeObject) => {
    const objects = [service, namespace(home), by].map((object) => ({ object, place: path }))
    return plan({ service, facts: new ManifestFacts(objects).factsFor(service) })
  }
  const [planned, filled] = [planBy(policy), planBy(filling)]
  return { path, text, versions, service, planned, filled, admitted: await admit(service) }
}

/** Whether a service names a model that is neither in its image nor an image. */
function hasModel({ planned: { reason } }: Row): boolean {
  return !['NoModelLocation', 'OciSource', 'LocalSource', 'ModelMesh'].includes(reason)
}

async function admit(service: KubeObject): Promise<Admitted> {
  try {
    return { service: await cluster.client.create(resourceOf(service), service, { dryRun: true }) }
  } catch (error) {
    return { refusal: reasonOf((error as Error).message) }
  }
}

/** In a line, and without what changes from one run to the next. */
function reasonOf(message: string): string {
  const [line = ''] = message.split('\n')
  return line
    .replace(/^create \w+: /, '')
    .replaceAll('|', '\\|')
    .slice(0, 160)
}

/**
 * KServe's defaulter moves fields, adds others and fills them in: what must agree is where models come from.
 */
function isAsPlanned({ planned, admitted }: Row): boolean {
  if ('refusal' in admitted) return true
  return JSON.stringify(modelsOf(admitted.service)) === JSON.stringify(modelsOf(planned.service))
}

function modelsOf(service: KubeObject): [string, string][] {
  return findModelLocations(service).locations.map(({ id, model }) => [
    id,
    model.kind === 'uri' ? model.uri : `storage ${String(model.storage.path)}`,
  ])
}

function document(rows: Row[]): string {
  const newest = corpora[0]?.version ?? ''
  const cells = rows.map(({ path, versions, service, planned, filled, admitted }) => [
    path,
    `${service.kind === 'InferenceService' ? '' : 'LLM '}${service.metadata.name ?? ''}`,
    [...new Set([versions.at(-1), versions[0]])].join(' to '),
    modelsOf(service)
      .map(([id, uri]) => `${id}: ${uri}`)
      .join('<br>'),
    planned.reason,
    filled.reason,
    'refusal' in admitted ? `refused: ${admitted.refusal}` : 'as planned',
  ])
  const byText = new Map(rows.map((row) => [row.text, row]))
  const releases = corpora.map(({ version, files, broken, passedOver }) => {
    const own = files.flatMap(foundIn).flatMap(({ text }) => byText.get(text) ?? [])
    return [
      version,
      files.length,
      own.length,
      own.filter(hasModel).length,
      own.filter(({ planned }) => planned.reason === 'Accelerated').length,
      own.filter(({ filled }) => filled.reason === 'Accelerated').length,
      own.filter(({ admitted }) => 'refusal' in admitted).length,
      passedOver,
      broken.length,
    ]
  })
  const broken = [...new Set(corpora.flatMap((corpus) => corpus.broken))].toSorted()
  return `# KServe's own manifests

Every InferenceService and LLMInferenceService in the files of KServe's module (samples, tests, documents), in
${corpora.length} releases, planned as \`warmgate plan\` does and created as a dry run on a real API server with the webhooks of
KServe ${newest} and of Warmgate. The last column is the API server's answer; in each that was not refused, every model is
where the plan says. The policy is the built-in one, with \`credentials.identity: Node\` for S3 and GCS: most samples read
a public bucket without credentials. This page is written by a test, which compares it.

${table(
  [
    'release',
    'files',
    'services',
    'with a model',
    'accelerated',
    'with a mirror',
    'refused',
    'skipped',
    'unreadable files',
  ],
  releases,
)}

- With a model: one that is neither in the image of its server nor an image.
- With a mirror: accelerated by a policy that also fills a mirror (\`sources[].fill\`, [mirrors.md](../../docs/mirrors.md)) and caches
  claims (\`match: ["pvc://"]\`).
- Refused: by KServe or its CRD, which are those of ${newest} for every release.
- Skipped: services of a group or version that KServe does not serve, such as \`serving.kubeflow.org\`.
- Unreadable: templates and files that are no YAML: ${broken.join(', ')}.

A service that is the same in several releases is listed once, with the path that it has in the newest of them.

${table(['file', 'service', 'in', 'models', 'decision', 'with a mirror', 'admitted'], cells)}
`
}

function table(head: string[], rows: (string | number)[][]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}
