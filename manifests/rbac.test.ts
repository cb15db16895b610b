import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parseManifests } from '../src/cli/manifests.ts'
import { Mirror } from '../src/cluster/mirror.ts'
import { runtimeResources } from '../src/cluster/runtimes.ts'
import { runtimeNames, runtimes } from '../src/fluid/runtimes.ts'
import { shippedKserveConfig } from '../src/kserve/config.ts'
import type { KubeClient } from '../src/kube/client.ts'
import {
  llmInferenceService,
  llmInferenceServiceConfig,
  type Resource,
  resources,
} from '../src/kube/resources.ts'
import { fakePolicy, fakeSigner } from '../src/plan/plan.fake.ts'
import { systemNamespaces } from '../src/policy/scope.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { FakeClock } from '../src/values/clock.fake.ts'
import { type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../src/values/object.ts'

/* The shipped roles are what `warmgate serve` needs: no verb less, and no verb more. */

type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'
type Need = [resource: Resource, verbs: Verb[], subresource?: string]

/** The verbs that the mirror needs for every resource that it watches. */
const follow: Verb[] = ['list', 'watch']
/** A server-side apply is a create or a patch. */
const apply: Verb[] = ['create', 'patch']

const everywhere: Need[] = [
  [resources.namespace, ['get', ...follow]],
  [resources.persistentVolumeClaim, follow],
  [resources.persistentVolume, follow],
  [resources.pod, [...follow, 'patch', 'delete']],
  [resources.pod, ['patch'], 'status'],
  [resources.job, follow],
  [resources.secret, ['get']],
  [resources.serviceAccount, ['get']],
  [resources.event, ['create']],
  [resources.inferenceService, ['get', ...follow, 'patch', 'update']],
  [llmInferenceService('v1alpha2'), ['get', ...follow, 'patch', 'update']],
  [resources.configMap, follow],
  [resources.localModelCache, follow],
  [resources.localModelNamespaceCache, follow],
  [resources.clusterStorageContainer, follow],
  [resources.servingRuntime, follow],
  [resources.clusterServingRuntime, follow],
  [llmInferenceServiceConfig('v1alpha2'), follow],
  [resources.accelerationPolicy, follow],
  [resources.accelerationPolicy, ['patch'], 'status'],
  [resources.dataset, ['get', ...follow, ...apply, 'delete']],
  [resources.dataLoad, [...follow, ...apply, 'delete']],
  ...Object.values(runtimeResources).map((runtime): Need => [runtime, [...follow, ...apply, 'delete']]),
  [resources.subjectAccessReview, ['create']],
  [resources.selfSubjectAccessReview, ['create']],
  [resources.mutatingWebhookConfiguration, ['get', 'update']],
]
const inOwnNamespace: Need[] = [
  [resources.secret, ['get', 'create', 'update']],
  [resources.lease, ['get', 'create', 'update']],
]
const whereGranted: Need[] = [[resources.secret, apply]]
const whereFilled: Need[] = [[resources.job, [...apply, 'delete']]]

/** The names that a role is bound to, where RBAC can bind a verb to names. */
const names: { [grant: string]: string[] } = {
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': ['acceleration.warmgate.dev'],
  'warmgate-system: /secrets': ['warmgate-certificates', 'warmgate-record-keys'],
  'warmgate-system: coordination.k8s.io/leases': ['warmgate'],
  '/configmaps': ['inferenceservice-config'],
}

const objects = [...(await read('rbac.yaml')), ...(await read('account.yaml'))]

async function read(file: string): Promise<KubeObject[]> {
  const text = await readFile(new URL(`base/${file}`, import.meta.url), 'utf8')
  return parseManifests(file, text).map(({ object }) => object)
}

function find(kind: string, name: string, namespace?: string): KubeObject {
  const found = objects.find(
    (each) => each.kind === kind && each.metadata.name === name && each.metadata.namespace === namespace,
  )
  if (found === undefined) throw new Error(`no ${kind} ${name}`)
  return found
}

interface Grant {
  resource: string
  verb: string
  names: string[]
}

function granted(role: KubeObject): Grant[] {
  return listAt(role, 'rules').flatMap((rule) =>
    listAt(rule, 'apiGroups').flatMap((group) =>
      listAt(rule, 'resources').flatMap((resource) =>
        listAt(rule, 'verbs').map((verb) => ({
          resource: `${group}/${resource}`,
          verb: String(verb),
          names: listAt(rule, 'resourceNames').map(String),
        })),
      ),
    ),
  )
}

function needed(needs: Need[], prefix = ''): Grant[] {
  return needs.flatMap(([{ group, plural }, verbs, subresource]) => {
    const resource = `${group}/${plural}${subresource === undefined ? '' : `/${subresource}`}`
    return verbs.map((verb) => ({
      resource,
      verb,
      names: verb === 'create' ? [] : (names[`${prefix}${resource}`] ?? []),
    }))
  })
}

const sorted = (grants: Grant[]) => grants.map((grant) => JSON.stringify(grant)).toSorted()

test.each<[string, KubeObject, Grant[]]>([
  ['in every namespace', find('ClusterRole', 'warmgate'), needed(everywhere)],
  [
    'in its own namespace',
    find('Role', 'warmgate', 'warmgate-system'),
    needed(inOwnNamespace, 'warmgate-system: '),
  ],
  ['where it is granted', find('ClusterRole', 'warmgate-cache-secrets'), needed(whereGranted)],
  ['where it fills mirrors', find('ClusterRole', 'warmgate-fills'), needed(whereFilled)],
])('the account may do what the code does, and no more: %s', (_, role, expected) => {
  expect(sorted(granted(role))).toEqual(sorted(expected))
})

test('the Secrets of caches are bound nowhere by default, and nothing binds the account to another role', () => {
  const bound = objects
    .filter(({ kind }) => kind.endsWith('RoleBinding'))
    .map((binding) => [binding.kind, binding.metadata.namespace, stringAt(binding, 'roleRef', 'name')])
  expect(bound).toEqual([
    ['ClusterRoleBinding', undefined, 'warmgate'],
    ['RoleBinding', 'warmgate-system', 'warmgate'],
  ])
})

test('the tables name every resource that the client knows', () => {
  const all = [...everywhere, ...inOwnNamespace].map(([{ plural }]) => plural)
  for (const { plural } of [...Object.values(resources), ...Object.values(runtimeResources)])
    expect(all).toContain(plural)
})

test('the roles allow to list and watch exactly what the mirror follows', async () => {
  const asked = { list: new Set<string>(), watch: new Set<string>() }
  const note = (verb: 'list' | 'watch', { group, plural }: Resource) => asked[verb].add(`${group}/${plural}`)
  const client: Partial<KubeClient> = {
    discover: async () => [],
    list: async (resource) => {
      note('list', resource)
      return { items: [], resourceVersion: '1' }
    },
    async *watch(resource, { signal }) {
      note('watch', resource)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    },
  }
  const clock = new FakeClock()
  const mirror = new Mirror({
    client: client as KubeClient,
    clock,
    logger: createLogger('silent'),
    llmVersion: 'v1alpha2',
    signer: fakeSigner,
  })
  mirror.start()
  await clock.advance(1_000)
  const followed = granted(find('ClusterRole', 'warmgate'))
  for (const verb of ['list', 'watch'] as const) {
    const grants = followed.filter((grant) => grant.verb === verb).map(({ resource }) => resource)
    expect([...asked[verb]].toSorted(), verb).toEqual([...new Set(grants)].toSorted())
  }
  await mirror.stop()
})

test('a registered runtime is in the roles, the watches and the enum of policies, in its own words', async () => {
  const crd = parseManifests('crd.yaml', await readFile(new URL('base/crd.yaml', import.meta.url), 'utf8'))
  const text = JSON.stringify(crd.map(({ object }) => object))
  expect(text).toContain(`"enum":${JSON.stringify(['Auto', ...runtimeNames])}`)
  for (const name of runtimeNames)
    expect(runtimeResources[name]).toMatchObject({ kind: runtimes[name].kind, plural: runtimes[name].plural })
  const inFluid = granted(find('ClusterRole', 'warmgate')).filter(({ resource }) =>
    resource.startsWith('data.fluid.io/'),
  )
  const plurals = ['datasets', 'dataloads', ...Object.values(runtimes).map(({ plural }) => plural)]
  expect([...new Set(inFluid.map(({ resource }) => resource))].toSorted()).toEqual(
    plurals.map((plural) => `data.fluid.io/${plural}`).toSorted(),
  )
})

/** The verbs of each client method. `deleteByUid` is a separate function. */
const verbsOf: { [method: string]: Verb[] } = {
  get: ['get'],
  list: ['list'],
  create: ['create'],
  replace: ['update'],
  apply,
  patch: ['patch'],
  delete: ['delete'],
  deleteByUid: ['delete'],
}

test('every call of the server by name is in the tables', async () => {
  const calls = new Set<string>()
  // The command line has the rights of the user who runs it.
  for await (const file of glob('../src/{admission,cluster,controller,kube}/**/*.ts', {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  })) {
    if (/\.(test|fake|fixture)\.ts$/.test(file)) continue
    const text = await readFile(new URL(file, import.meta.url), 'utf8')
    const pattern = /\b(?:client\s*\.\s*(\w+)|(deleteByUid))\(\s*(?:client,\s*)?resources\.(\w+)/g
    for (const [, method, helper, resource] of text.matchAll(pattern))
      calls.add(`${method ?? helper} ${resource}`)
  }
  expect(calls.size).toBeGreaterThan(15)
  const all = [...everywhere, ...inOwnNamespace, ...whereGranted, ...whereFilled]
  for (const call of calls) {
    const [method = '', name = ''] = call.split(' ')
    const { plural } = resources[name as keyof typeof resources]
    const verbs = all.filter(([resource]) => resource.plural === plural).flatMap(([, each]) => each)
    for (const verb of verbsOf[method] ?? [method as Verb]) expect(verbs, call).toContain(verb)
  }
})

const policies = objects.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy')

test('each policy for the account denies what it does not allow, and is for the account alone', () => {
  expect(policies).toHaveLength(8)
  for (const policy of policies) {
    const name = policy.metadata.name ?? ''
    expect(objectAt(find('ValidatingAdmissionPolicyBinding', name), 'spec')).toEqual({
      policyName: name,
      validationActions: ['Deny'],
    })
    expect(objectAt(policy, 'spec').failurePolicy).toBe('Fail')
    expect(objectAt(policy, 'spec').matchConditions).toEqual([
      {
        name: 'is-warmgate',
        expression: "request.userInfo.username == 'system:serviceaccount:warmgate-system:warmgate'",
      },
    ])
  }
})

test('a policy checks each write that the roles allow, except writes that RBAC binds to a name, statuses and reviews', () => {
  const operations: { [verb: string]: string } = {
    create: 'CREATE',
    update: 'UPDATE',
    patch: 'UPDATE',
    delete: 'DELETE',
  }
  const looked = policies.flatMap((policy) =>
    listAt(policy, 'spec', 'matchConstraints', 'resourceRules').flatMap((rule) =>
      listAt(rule, 'resources').flatMap((resource) =>
        listAt(rule, 'operations').map(
          (operation) => `${operation} ${listAt(rule, 'apiGroups')[0]}/${resource}`,
        ),
      ),
    ),
  )
  const written = [everywhere, inOwnNamespace, whereGranted, whereFilled]
    .flatMap((needs) => needed(needs))
    .flatMap(({ verb, resource }) =>
      operations[verb] === undefined ? [] : [`${operations[verb]} ${resource}`],
    )
  expect([...new Set(written)].filter((write) => !looked.includes(write)).toSorted()).toEqual([
    'CREATE authorization.k8s.io/selfsubjectaccessreviews',
    'CREATE authorization.k8s.io/subjectaccessreviews',
    'UPDATE coordination.k8s.io/leases',
    'UPDATE warmgate.dev/accelerationpolicies/status',
  ])
})

test('the images of Jobs are those that KServe and policies ship', () => {
  const policy = find('ValidatingAdmissionPolicy', 'jobs.account.warmgate.dev')
  const [images] = listAt(policy, 'spec', 'variables').filter((each) => stringAt(each, 'name') === 'images')
  const spec = { sources: [{ match: ['hf://'], mirror: 's3://mirror/', fill: {} }] }
  const rclone = fakePolicy('p', spec).spec.sources[0]?.fill?.image ?? ''
  for (const image of [shippedKserveConfig.initializer.image, rclone])
    expect(stringAt(images, 'expression')).toContain(`'${image.split(':')[0]}'`)
})

test("the policies name the cluster's own namespaces", () => {
  const namespaced = policies.filter(({ metadata }) => !/^(leases|webhooks)\./.test(metadata.name ?? ''))
  expect(namespaced).toHaveLength(6)
  for (const policy of namespaced) {
    const expressions = listAt(policy, 'spec', 'validations').map(
      (validation) => stringAt(validation as JsonObject, 'expression') ?? '',
    )
    const [outside = ''] = expressions.filter((text) => text.includes("startsWith('kube-')"))
    // Events and Secrets of its own namespace are its own.
    const isOwnToo = /^(secrets|events)\./.test(policy.metadata.name ?? '')
    for (const name of systemNamespaces)
      expect(outside.includes(`'${name}'`), name).toBe(name !== 'warmgate-system' || !isOwnToo)
  }
})
