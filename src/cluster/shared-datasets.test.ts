import { expect, test } from 'vitest'
import { FakeApi } from '../kube/api.fake.ts'
import { fakePolicy, fakeService } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import { type KubeObject, stringAt } from '../values/object.ts'
import { openNamespace } from './cluster.fake.ts'
import { readCredentials } from './credentials.ts'
import { readFacts } from './facts.ts'
import { fakeMirror } from './mirror.fake.ts'
import { factsSources, liveIn } from './planner.fake.ts'

const physical: KubeObject = {
  apiVersion: 'data.fluid.io/v1alpha1',
  kind: 'Dataset',
  metadata: { name: 'all', namespace: 'shared' },
  spec: { mounts: [{ mountPoint: 's3://models/', path: '/' }] },
  status: { phase: 'Bound' },
}

/** An API server that allows an account to get it, or returns an invalid response. */
function setUp(answer: (user: string) => KubeObject['status']) {
  const client = new FakeApi()
  client.put(openNamespace)
  client.admit = ({ object }) => ({ ...object, status: answer(stringAt(object, 'spec', 'user') ?? '') })
  const reviews = () => client.calls.filter(({ verb }) => verb === 'create').map(({ body }) => body)
  const fake = fakeMirror()
  fake.datasets.put(physical)
  fake.runtimes.Alluxio.put({ ...physical, kind: 'AlluxioRuntime', spec: {} })
  const installed = ['datasets', 'alluxioruntimes', 'thinruntimes']
  const mirror = Object.assign(fake.mirror, { fluidResources: installed })
  return { client, mirror, reviews, parsed: fake.parsed }
}

const needs = ['reader', 'other'].map((account) => ({
  location: account,
  account,
  secrets: [],
  usesListed: false,
  sharedDatasets: [{ namespace: 'shared', name: 'all' }],
}))

async function readShared({ client, mirror }: Pick<ReturnType<typeof setUp>, 'client' | 'mirror'>) {
  return (await readCredentials(factsSources({ client, mirror }), needs, liveIn('models'))).sharedDatasets
}

test('the API server is asked whether the account, with its groups, may get that very Dataset', async () => {
  const { client, mirror, reviews } = setUp((user) => ({ allowed: user.endsWith(':reader') }))
  const [sharedDatasets] = await readShared({ client, mirror })
  expect(sharedDatasets).toMatchObject({
    namespace: 'shared',
    name: 'all',
    dataset: physical,
    allowedAccounts: ['reader'],
  })
  expect(sharedDatasets?.runtimes).toHaveLength(1)
  expect(reviews()[0]).toEqual({
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec: {
      user: 'system:serviceaccount:models:reader',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:models', 'system:authenticated'],
      resourceAttributes: {
        verb: 'get',
        group: 'data.fluid.io',
        resource: 'datasets',
        namespace: 'shared',
        name: 'all',
      },
    },
  })
})

test.each([[{ allowed: false }], [{ allowed: 'true' }], [{}], [undefined]])(
  'any response except a plain yes is a no: %j',
  async (status) => {
    const { client, mirror } = setUp(() => status)
    expect((await readShared({ client, mirror }))[0]?.allowedAccounts).toEqual([])
  },
)

test('it is asked for a service that the rule is for, before and after; for no other', async () => {
  const { client, mirror, reviews, parsed } = setUp(() => ({ allowed: true }))
  const dataset = { namespace: 'shared', name: 'all' }
  parsed.push(fakePolicy('lends', { sources: [{ match: ['s3://models/'], dataset }, { match: ['s3://'] }] }))
  const read = (service: KubeObject) => readFacts(factsSources({ mirror, client }), service, liveIn('models'))
  const service = fakeService({ model: { storageUri: 's3://models/llama' } })
  const first = plan({ service, facts: await read(service) })
  expect(first.message).toContain('refers to dataset://shared/all/llama')
  expect(reviews()).toHaveLength(1)
  const again = plan({ service: first.service, previous: first.service, facts: await read(first.service) })
  expect(again).toMatchObject({ reason: 'AlreadyCached', unavailable: [] })
  expect(reviews()).toHaveLength(2)
  await read(fakeService({ model: { storageUri: 's3://elsewhere/llama' } }))
  expect(reviews()).toHaveLength(2)
})
