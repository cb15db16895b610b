import { kserveConfigName } from '../../kserve/config.ts'
import { isAllowed, userOf } from '../../kube/access.ts'
import type { KubeClient, ListOptions } from '../../kube/client.ts'
import { hasStatus, KubeError } from '../../kube/errors.ts'
import {
  clusterScoped,
  llmInferenceService,
  namespaced,
  type Resource,
  resources,
} from '../../kube/resources.ts'
import type { Clock } from '../../values/clock.ts'
import { mapConcurrently, resolveAll } from '../../values/concurrency.ts'
import { accelerationLabel, doctorLabel, isWarmgateKey } from '../../values/keys.ts'
import {
  defined,
  getIn,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../values/object.ts'
import { itemsOf } from './check.ts'
import { openNamespaces, policiesOf } from './facts.ts'
import { type Need, neededEverywhere, neededInOwnNamespace } from './needs.ts'
import type { ListName, Probe, Reading, Rights, Snapshot } from './snapshot.ts'

export interface ReaderOptions {
  client: KubeClient
  clock: Clock
  signal: AbortSignal
  /** The name of Warmgate's MutatingWebhookConfiguration. */
  configuration: string
  kserveNamespace?: string | undefined
  /** The namespace in which to create a service as a dry run; by default the first open namespace. */
  probeNamespace?: string | undefined
}

/** The maximum number of objects of one list that are kept in memory. */
export const mostItems = 5_000
const concurrentReviews = 8

/** Resources that only `warmgate doctor` reads, and that the shipped role does not have. */
const also = {
  node: clusterScoped('v1', 'Node'),
  csiNode: clusterScoped('storage.k8s.io/v1', 'CSINode'),
  crd: clusterScoped('apiextensions.k8s.io/v1', 'CustomResourceDefinition'),
  deployment: namespaced('apps/v1', 'Deployment'),
  service: namespaced('v1', 'Service'),
  endpointSlice: namespaced('discovery.k8s.io/v1', 'EndpointSlice'),
}

const groups = [
  ['serving.kserve.io', 'v1beta1'],
  ['serving.knative.dev', 'v1'],
  ['data.fluid.io', 'v1alpha1'],
] as const

/** Reads everything once. Lists that this user may not read are in `unread`; the others are still read. */
export async function readSnapshot(options: ReaderOptions): Promise<Snapshot> {
  const { client, clock, configuration, kserveNamespace, probeNamespace } = options
  const read = (resource: Resource, more: ListOptions = {}) => readList(options, resource, more)
  const named = (resource: Resource, name: string) =>
    read(resource, { fieldSelector: `metadata.name=${name}` })
  const webhooks = await read(resources.mutatingWebhookConfiguration)
  const namespace = ownNamespace(itemsOf(webhooks), configuration)
  const inOwn = { namespace }
  const reading = resolveAll<Record<ListName, Promise<Reading>>>({
    namespaces: read(resources.namespace),
    nodes: read(also.node),
    csiNodes: read(also.csiNode),
    crds: read(also.crd),
    kserveConfigs: named(resources.configMap, kserveConfigName),
    knativeConfigs: named(resources.configMap, 'config-deployment'),
    deployments: readDeployments(read, named),
    webhooks: Promise.resolve(webhooks),
    services: read(also.service, inOwn),
    endpointSlices: read(also.endpointSlice, inOwn),
    certificates: readCertificates(client, namespace),
    policies: read(resources.accelerationPolicy),
    models: both(read(resources.inferenceService), read(llmInferenceService('v1alpha1'))),
    localModels: both(read(resources.localModelCache), read(resources.localModelNamespaceCache)),
  })
  const [lists, served, rights] = await Promise.all([
    reading,
    servedResources(client),
    reviewRights(options, namespace),
  ])
  const opened = probeNamespace ?? firstOpen(itemsOf(lists.namespaces), itemsOf(lists.policies))
  const probe = await probeAdmission(options, served, opened)
  return { nowMs: clock.now(), namespace, configuration, kserveNamespace, served, lists, rights, probe }
}

function ownNamespace(webhooks: KubeObject[], configuration: string): string {
  const own = webhooks.find(({ metadata }) => metadata.name === configuration)
  return stringAt(listAt(own, 'webhooks')[0], 'clientConfig', 'service', 'namespace') ?? 'warmgate-system'
}

async function readList(
  { client, signal }: ReaderOptions,
  resource: Resource,
  more: ListOptions,
): Promise<Reading> {
  let count = 0
  const reduce = (object: KubeObject) => {
    count += 1
    return count > mostItems ? undefined : reduced(resource.kind, object)
  }
  try {
    const { items } = await client.list(resource, { ...more, signal, reduce })
    return { kind: 'read', items, isCut: count > mostItems }
  } catch (error) {
    // A kind that is not installed has no objects.
    if (hasStatus(error, 404)) return { kind: 'read', items: [], isCut: false }
    return unread(error)
  }
}

function unread(error: unknown): Extract<Reading, { kind: 'unread' }> {
  // Without an API server, or without a login, nothing can be checked.
  const isHopeless = hasStatus(error, 0, 401)
  if (error instanceof KubeError && !isHopeless)
    return { kind: 'unread', why: `cannot be read: ${error.message}` }
  throw error
}

async function both(...readings: Promise<Reading>[]): Promise<Reading> {
  const all = await Promise.all(readings)
  const items = all.flatMap(itemsOf)
  const isCut = all.some((reading) => reading.kind === 'read' && reading.isCut)
  return all.find(({ kind }) => kind === 'unread') ?? { kind: 'read', items, isCut }
}

/** Keeps only the fields that checks read, because a cluster may have many large objects. */
function reduced(kind: string, object: KubeObject): KubeObject {
  const { apiVersion, metadata, spec = {} } = object
  const { name = '', namespace, labels = {}, annotations = {} } = metadata
  const base = {
    apiVersion,
    kind,
    metadata: { name, ...defined({ namespace }), labels, annotations },
  }
  switch (kind) {
    case 'Namespace': {
      const own = Object.entries(annotations).filter(([key]) => isWarmgateKey(key))
      return { ...base, metadata: { ...base.metadata, annotations: Object.fromEntries(own) } }
    }
    case 'Node':
      return {
        ...base,
        metadata: { name },
        spec: { taints: listAt(spec, 'taints'), unschedulable: getIn(spec, 'unschedulable') === true },
        status: { allocatable: objectAt(object, 'status', 'allocatable') },
      }
    case 'CustomResourceDefinition':
      return { ...base, metadata: { name }, spec: { versions: versionsOf(object) } }
    case 'Deployment':
      return {
        ...base,
        metadata: { name, namespace: namespace ?? '' },
        spec,
        status: objectAt(object, 'status'),
      }
    default: {
      const { managedFields: _, ...rest } = metadata
      return { ...object, kind, metadata: rest }
    }
  }
}

/** Drops schemas, which are large, except Warmgate's own, which is compared. */
function versionsOf(crd: KubeObject): JsonObject[] {
  const isOwn = crd.metadata.name === 'accelerationpolicies.warmgate.dev'
  return listAt(crd, 'spec', 'versions').map((version) => {
    const { name = '', served = false, schema = {} } = objectAt(version)
    return { name, served, ...(isOwn && { schema }) }
  })
}

/** KServe's and Fluid's controllers, wherever they run. */
async function readDeployments(
  read: (resource: Resource, more?: ListOptions) => Promise<Reading>,
  named: (resource: Resource, name: string) => Promise<Reading>,
): Promise<Reading> {
  const found = await both(
    named(also.deployment, 'kserve-controller-manager'),
    named(also.deployment, 'dataset-controller'),
  )
  const fluid = itemsOf(found).find(({ metadata }) => metadata.name === 'dataset-controller')
  const { namespace } = fluid?.metadata ?? {}
  return namespace === undefined
    ? found
    : await both(Promise.resolve(found), read(also.deployment, { namespace }))
}

/** The authorities in Warmgate's Secret. Keys are dropped at once. */
async function readCertificates(client: KubeClient, namespace: string): Promise<Reading> {
  try {
    const secret = await client.get(resources.secret, { namespace, name: 'warmgate-certificates' })
    if (secret === undefined) return { kind: 'read', items: [], isCut: false }
    const { apiVersion, kind, metadata } = secret
    const public_ = Object.entries(objectAt(secret, 'data')).filter(([key]) => /^ca[0-9]\.crt$/.test(key))
    const { name = '' } = metadata
    const item = { apiVersion, kind, metadata: { name, namespace }, data: Object.fromEntries(public_) }
    return { kind: 'read', items: [item], isCut: false }
  } catch (error) {
    return unread(error)
  }
}

async function servedResources(client: KubeClient): Promise<ReadonlySet<string>> {
  const all = await Promise.all(
    groups.map(async ([group, version]) =>
      (await client.discover(group, version)).map((plural) => `${group}/${version}/${plural}`),
    ),
  )
  return new Set(all.flat())
}

/** Checks the rights of Warmgate's account, not those of the user who runs this command. */
async function reviewRights({ client, signal }: ReaderOptions, namespace: string): Promise<Rights> {
  const account = { namespace, name: 'warmgate' }
  const asked = [
    ...neededEverywhere.flatMap((need) => attributes(need, {})),
    ...neededInOwnNamespace.flatMap((need) => attributes(need, { namespace })),
  ]
  try {
    const denied = await mapConcurrently(
      asked,
      { limit: concurrentReviews, signal },
      async (resourceAttributes) => {
        const isGranted = await isAllowed(client, resourceAttributes, { account, signal })
        return isGranted ? [] : [describeRight(resourceAttributes)]
      },
    )
    return { kind: 'read', denied: denied.flat(), account: userOf(account) }
  } catch (error) {
    return unread(error)
  }
}

function attributes({ group, resources: plurals, verbs, name }: Need, more: JsonObject): JsonObject[] {
  return plurals.flatMap((plural) => {
    const [resource = '', subresource] = plural.split('/')
    return verbs.map((verb) => defined({ ...more, group, resource, verb, subresource, name }))
  })
}

function describeRight({ verb, resource, subresource, namespace }: JsonObject): string {
  const what = `${String(resource)}${subresource === undefined ? '' : `/${String(subresource)}`}`
  return `${String(verb)} ${what}${namespace === undefined ? '' : ` in ${String(namespace)}`}`
}

function firstOpen(namespaces: KubeObject[], policies: KubeObject[]): string | undefined {
  return openNamespaces(namespaces, policiesOf(policies))
    .map(({ metadata }) => metadata.name ?? '')
    .toSorted()[0]
}

/**
 * Warmgate always warns about its label on a service: the warning shows that Warmgate received the request.
 */
function probeService(namespace: string): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: 'warmgate-doctor', namespace, labels: { [doctorLabel]: 'probe' } },
    spec: {
      predictor: { model: { modelFormat: { name: 'sklearn' }, storageUri: 's3://warmgate-doctor/model' } },
    },
  }
}

async function probeAdmission(
  { client }: ReaderOptions,
  served: ReadonlySet<string>,
  namespace: string | undefined,
): Promise<Probe> {
  if (!served.has('serving.kserve.io/v1beta1/inferenceservices'))
    return { kind: 'none', why: 'no service can be created without KServe', todo: 'install KServe' }
  if (namespace === undefined)
    return {
      kind: 'none',
      why: 'no namespace is opted in, so nothing was tried',
      todo: `kubectl label namespace NAMESPACE ${accelerationLabel}=enabled, or name one with --probe`,
    }
  const warnings: string[] = []
  const onWarning = (text: string) => warnings.push(text)
  try {
    const service = await client.create(resources.inferenceService, probeService(namespace), {
      dryRun: true,
      onWarning,
    })
    return { kind: 'answered', namespace, service, warnings }
  } catch (error) {
    return { kind: 'refused', namespace, why: unread(error).why.replace('cannot be read: ', ''), warnings }
  }
}
