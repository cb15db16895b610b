import { expect, test } from 'vitest'
import { FakeApi } from '../kube/api.fake.ts'
import { fakePolicy, fakeService, recorded } from '../plan/plan.fake.ts'
import type { KubeObject } from '../values/object.ts'
import { fakeMirror } from './mirror.fake.ts'
import { factsSources, liveIn } from './planner.fake.ts'
import type { Freshness } from './recent-reads.ts'
import { readServing } from './serving.ts'

const object = (kind: string, name: string, namespace?: string): KubeObject => ({
  apiVersion: 'serving.kserve.io/v1alpha1',
  kind,
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
})
const config = 'LLMInferenceServiceConfig'

/** A cluster with one new object of each kind, while the mirror still has an old one. */
async function read(
  service: KubeObject,
  { gpus = true, isDown = false, freshness = { kind: 'Live' } as Freshness } = {},
) {
  const fake = fakeMirror()
  if (gpus) fake.parsed.push(fakePolicy('p', { gpu: { resources: { 'nvidia.com/gpu': 1 } } }))
  fake.servingRuntimes.put(object('ServingRuntime', 'old', 'models'))
  fake.clusterServingRuntimes.put(object('ClusterServingRuntime', 'old'))
  fake.llmConfigs.put(object(config, 'old', 'models'))
  const api = new FakeApi()
  api.put(object('ServingRuntime', 'new', 'models'), object('ClusterServingRuntime', 'new'))
  api.put(object(config, 'new', 'models'), object(config, 'new', 'kserve'))
  if (isDown) api.fail('list', 503)
  const sources = factsSources({ mirror: fake.mirror, client: api })
  const facts = await readServing(sources, service, { ...liveIn('models'), freshness })
  const names = (objects: KubeObject[]) => objects.map(({ metadata }) => metadata.name)
  const { servingRuntimes, llmConfigs } = facts
  return {
    asked: api.calls.map(({ resource, key }) => `${resource.kind} ${key.namespace ?? ''}`.trim()),
    own: names(servingRuntimes.own),
    cluster: names(servingRuntimes.cluster),
    configs: [...names(llmConfigs.own), ...names(llmConfigs.shared)],
  }
}

const service = fakeService({ huggingface: { storageUri: 's3://models/llama' } })
const llm = { ...service, kind: 'LLMInferenceService' }

test('for a new service that may get GPUs the server is asked', async () => {
  expect(await read(service)).toEqual({
    asked: ['ServingRuntime models', 'ClusterServingRuntime'],
    own: ['new'],
    cluster: ['new'],
    configs: [],
  })
  expect((await read(llm)).asked).toEqual([`${config} models`, `${config} kserve`])
  expect((await read(llm)).configs).toEqual(['new', 'new'])
})

test('the mirror is used if no policy gives GPUs, for accelerated services, and if the API server is unavailable', async () => {
  const known = { own: ['old'], cluster: ['old'], configs: [] }
  expect(await read(service, { gpus: false })).toEqual({ asked: [], ...known })
  expect(await read(service, { freshness: { kind: 'Recent', sinceMs: 0 } })).toEqual({ asked: [], ...known })
  const locations = { predictor: { uri: 's3://m/l', cache: 'llama-0123456789' } }
  expect(await read(recorded(service, { locations }))).toEqual({ asked: [], ...known })
  expect(await read(service, { isDown: true })).toMatchObject(known)
  expect((await read(llm, { isDown: true })).configs).toEqual(['old'])
})

test('for a new service that names what the mirror does not have the server is asked, too', async () => {
  const naming = (runtime: string) => fakeService({ model: { runtime, storageUri: 's3://models/llama' } })
  const based = (name: string) => ({ ...llm, spec: { baseRefs: [{ name }] } })
  const asked = async (each: KubeObject) => (await read(each, { gpus: false })).asked.length
  expect(await asked(naming('old'))).toBe(0)
  expect(await asked(naming('new'))).toBe(2)
  expect(await asked(based('old'))).toBe(0)
  expect(await asked(based('new'))).toBe(2)
})
