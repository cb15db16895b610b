import { expect, test } from 'vitest'
import { plan } from '../plan/plan.ts'
import { expectLinear } from '../values/growth.fixture.ts'
import type { KubeObject } from '../values/object.ts'
import { ManifestFacts } from './manifest-facts.ts'
import { scanManifests } from './manifests.ts'
import { toText } from './plan.ts'

const repeated = (text: string) => (n: number) => text.repeat(n)

/** A service, its account and its Secret, in one namespace or each in its own. */
const team = (index: number, namespace: string): KubeObject[] => [
  {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: `s${index}`, namespace },
    spec: {
      predictor: {
        serviceAccountName: `a${index}`,
        model: { modelFormat: { name: 'sklearn' }, storageUri: `s3://models/${index}` },
      },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: `a${index}`, namespace },
    secrets: [{ name: `k${index}` }],
  },
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `k${index}`, namespace },
    stringData: { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
  },
]

const teams = (namespaceOf: (index: number) => string) => (n: number) =>
  Array.from({ length: n }, (_, index) => team(index, namespaceOf(index))).flat()

function factsOfAll(objects: KubeObject[]) {
  const offline = new ManifestFacts(objects.map((object) => ({ object, place: 'f:1' })))
  const services = objects.filter(({ kind }) => kind === 'InferenceService')
  return services.map((service) => ({
    service,
    facts: offline.factsFor(service),
    warnings: offline.warningsFor(service),
  }))
}

test.each([
  ['of one namespace', teams(() => 'models')],
  ['each of its own namespace', teams((index) => `models-${index}`)],
])('reading the facts of many services takes linear time: %s', (_, make) => {
  expectLinear(make, factsOfAll, { n: 500 })
})

test('and so do their plans', () => {
  const run = (objects: KubeObject[]) => factsOfAll(objects).map((each) => toText(plan(each).service))
  expect(run(teams(() => 'models')(2))).toHaveLength(2)
  expectLinear(
    teams(() => 'models'),
    run,
    { n: 50 },
  )
})

test.each([
  ['documents', repeated('a: 1\n---\n')],
  ['broken documents', repeated('a: b: c\n---\n')],
  ['JSON objects', repeated('{"a": "b"}')],
  ['open braces', repeated('{"a":')],
  ['blank lines before what is broken', (n: number) => `${'\n'.repeat(n)}a: b: c\n`],
  ['templates', repeated('{{ x }} {{ y ')],
  ['aliases', (n: number) => `a: &a {b: c}\nl:\n${'- *a\n'.repeat(n)}`],
  ['anchors', repeated('- &a b\n- *a\n')],
  ['merge keys', repeated('<<: {a: 1}\n')],
  ['items', (n: number) => `apiVersion: v1\nkind: PodList\nitems:\n${'- metadata: {name: a}\n'.repeat(n)}`],
])('a file takes time in proportion to its length: %s', (_, make) => {
  expectLinear(make, (text) => scanManifests('f.yaml', text), { n: 1_000 })
})
