import { afterAll, beforeAll, expect, test } from 'vitest'
import { ManifestFacts } from '../../src/cli/manifest-facts.ts'
import { findModelLocations } from '../../src/kserve/location.ts'
import { type Plan, plan } from '../../src/plan/plan.ts'
import type { KubeObject } from '../../src/values/object.ts'
import { provideBinaries } from '../cluster/binaries.ts'
import type { Corpus } from '../cluster/corpus.ts'
import { resourceOf } from '../cluster/objects.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { applyPolicy } from './await.ts'
import { namespace, suitePolicy } from './services.ts'

/*
 * Every service that KServe's own module has, planned from its file alone and then created (as a dry run) on a real
 * API server with KServe's webhooks and Warmgate's. docs/corpus.md is what came of each: `vitest -u` writes it again.
 */

const home = 'corpus'
let corpus: Corpus
let stage: SharedCluster

interface Row {
  path: string
  service: KubeObject
  planned: Plan
  admitted: Admitted
}

type Admitted = { service: KubeObject } | { refusal: string }

beforeAll(async () => {
  corpus = (await provideBinaries({ programs: [] })).manifests.kserve.corpus
  stage = await joinTestCluster('corpus')
  await stage.client.create(resourceOf(namespace(home)), namespace(home))
  await applyPolicy(stage.client, suitePolicy(home))
})

afterAll(async () => {
  await stage?.stop()
})

test('each service of KServe’s samples is admitted as planned, and the table says what came of it', async () => {
  const services = corpus.files.flatMap(({ path, services }) =>
    services.map((service) => ({ path, service })),
  )
  const rows: Row[] = []
  // One after another: what Warmgate cannot answer within a webhook's timeout, it leaves as it is.
  for (const { path, service } of services) rows.push(await rowOf(path, service))
  const surprises = rows.filter((row) => !isAsPlanned(row)).map(({ path }) => path)
  expect(surprises).toEqual([])
  await expect(document(rows)).toMatchFileSnapshot('../../docs/corpus.md')
})

async function rowOf(path: string, found: KubeObject): Promise<Row> {
  const service = { ...found, metadata: { ...found.metadata, namespace: home } }
  const facts = new ManifestFacts([{ object: service, place: path }]).factsFor(service)
  return { path, service, planned: plan({ service, facts }), admitted: await admit(service) }
}

async function admit(service: KubeObject): Promise<Admitted> {
  try {
    return { service: await stage.client.create(resourceOf(service), service, { dryRun: true }) }
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

/** KServe's defaulter moves fields, adds others and fills them in: what must agree is where models come from. */
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
  const cells = rows.map(({ path, service, planned, admitted }) => [
    path,
    `${service.kind === 'InferenceService' ? '' : 'LLM '}${service.metadata.name ?? ''}`,
    modelsOf(service)
      .map(([id, uri]) => `${id}: ${uri}`)
      .join('<br>'),
    planned.reason,
    'refusal' in admitted ? `refused: ${admitted.refusal}` : 'as planned',
  ])
  const accelerated = rows.filter(({ planned }) => planned.reason === 'Accelerated').length
  const refused = rows.filter(({ admitted }) => 'refusal' in admitted).length
  return `# KServe's own manifests

Every InferenceService and LLMInferenceService in the files of KServe's module (samples, tests, documents), planned as
\`warmgate plan\` does and created as a dry run on a real API server with KServe's webhooks and Warmgate's.
The last column is the API server's answer; in each that was not refused, every model is where the plan says.
This page is written by a test, which compares it.

${rows.length} services in ${corpus.files.length} files: ${accelerated} accelerated, ${refused} refused by KServe or its CRD.
${corpus.broken.length} more files are no YAML: ${corpus.broken.join(', ')}.

${[['file', 'service', 'models', 'decision', 'admitted'], ['---', '---', '---', '---', '---'], ...cells]
  .map((row) => `| ${row.join(' | ')} |`)
  .join('\n')}
`
}
