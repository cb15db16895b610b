import { type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { parseQuantity } from '../values/quantity.ts'
import { formatSize } from '../values/size.ts'
import { quoted } from '../values/text.ts'
import type { Cache } from './desired.ts'
import { type CachePods, podsOf } from './pods.ts'
import { isReferenceTo } from './reference.ts'
import { runtimes } from './runtimes.ts'

/** Amounts by resource, in CPUs, bytes or objects. */
type Amounts = ReadonlyMap<string, number>

export interface Quota {
  name: string
  hard: { [resource: string]: number }
  used: { [resource: string]: number }
  scopes: { name: string; operator: string; values: string[] }[]
}

/** One limit of a LimitRange of the namespace. */
export interface Limit {
  name: string
  type: string
  min: { [resource: string]: number }
  max: { [resource: string]: number }
  default: { [resource: string]: number }
  defaultRequest: { [resource: string]: number }
  ratio: { [resource: string]: number }
}

/** What Kubernetes' admission allows the pods of a namespace. */
export interface NamespaceLimits {
  quotas: Quota[]
  limits: Limit[]
}

export function namespaceLimits(quotas: KubeObject[], ranges: KubeObject[]): NamespaceLimits {
  return { quotas: quotas.map(quotaOf), limits: ranges.flatMap(limitsOf) }
}

function quotaOf({ metadata: { name = '' }, spec, status }: KubeObject): Quota {
  const plain = listAt(spec, 'scopes').map((scope) => ({
    name: String(scope),
    operator: 'Exists',
    values: [],
  }))
  const selected = listAt(spec, 'scopeSelector', 'matchExpressions').map((each) => ({
    name: stringAt(each, 'scopeName') ?? '',
    operator: stringAt(each, 'operator') ?? '',
    values: listAt(each, 'values').filter((value) => typeof value === 'string'),
  }))
  return {
    name,
    hard: amountsIn(objectAt(spec, 'hard')),
    used: amountsIn(objectAt(status, 'used')),
    scopes: [...plain, ...selected],
  }
}

function limitsOf({ metadata: { name = '' }, spec }: KubeObject): Limit[] {
  return listAt(spec, 'limits').map((limit) => ({
    name,
    type: stringAt(limit, 'type') ?? '',
    min: amountsIn(objectAt(limit, 'min')),
    max: amountsIn(objectAt(limit, 'max')),
    default: amountsIn(objectAt(limit, 'default')),
    defaultRequest: amountsIn(objectAt(limit, 'defaultRequest')),
    ratio: amountsIn(objectAt(limit, 'maxLimitRequestRatio')),
  }))
}

function amountsIn(quantities: JsonObject): { [resource: string]: number } {
  const entries = Object.entries(quantities).flatMap(([resource, quantity]) => {
    const amount = parseQuantity(quantity)
    return amount === undefined ? [] : [[resource, amount] as const]
  })
  return Object.fromEntries(entries)
}

/** A quota or limit refuses the pods of a new cache permanently, or until there is room. */
export interface QuotaProblem {
  kind: 'Refused' | 'UsedUp'
  message: string
}

/**
 * The first quota or limit of a namespace that would refuse pods of a new cache, or its claim, as Kubernetes'
 * own admission decides. Sources: kubernetes v1.36 plugin/pkg/admission/{resourcequota,limitranger},
 * pkg/quota/v1/evaluator/core/{pods,persistent_volume_claims}.go.
 */
export function quotaProblem(cache: Cache, { quotas, limits }: NamespaceLimits): QuotaProblem | undefined {
  // Most namespaces have neither: their reviews need not make the objects of a cache.
  if (quotas.length + limits.length === 0) return undefined
  const pods = podsOf(cache).map((each) => withDefaults(each, limits))
  const refusal = first([
    ...limits.map((limit) => () => limitProblem(limit, pods)),
    ...quotas.map((quota) => () => unspecified(quota, pods)),
    ...quotas.map((quota) => () => tooSmall(quota, needs(quota, cache, pods))),
  ])
  if (refusal !== undefined) return { kind: 'Refused', message: refusal }
  const used = first(quotas.map((quota) => () => usedUp(quota, needs(quota, cache, pods))))
  return used === undefined ? undefined : { kind: 'UsedUp', message: used }
}

function first(checks: (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const problem = check()
    if (problem !== undefined) return problem
  }
  return undefined
}

type Pods = Omit<CachePods, 'containers'> & { containers: Container[] | undefined }
interface Container {
  requests: { [resource: string]: number }
  limits: { [resource: string]: number }
}

/** Adds the defaults of LimitRanges; the API server uses a limit as the request if none is set. */
function withDefaults({ containers, ...pods }: CachePods, limits: Limit[]): Pods {
  const own = limits.filter(({ type }) => type === 'Container')
  const filled = containers?.map((resources) => {
    const [requests, upper] = ['requests', 'limits'].map((list) => amountsIn(objectAt(resources, list)))
    const container = { requests: { ...upper, ...requests }, limits: { ...upper } }
    for (const limit of own) {
      container.limits = { ...limit.max, ...limit.default, ...container.limits }
      const least = { ...limit.min, ...limit.max, ...limit.default, ...limit.defaultRequest }
      container.requests = { ...least, ...container.requests }
    }
    return container
  })
  return { ...pods, containers: filled }
}

function limitProblem(limit: Limit, pods: Pods[]): string | undefined {
  if (limit.type === 'PersistentVolumeClaim') return claimProblem(limit)
  const isPod = limit.type === 'Pod'
  if (!isPod && limit.type !== 'Container') return undefined
  const checked = pods.flatMap(({ part, containers = [] }) =>
    (isPod && containers.length > 0 ? [sumOf(containers)] : containers).map((each) => ({ part, each })),
  )
  return first(
    checked.map(({ part, each }) => () => {
      const problem = rangeProblem(limit, each)
      return (
        problem &&
        `LimitRange ${quoted(limit.name)} allows a ${limit.type.toLowerCase()} ${problem} (${part}); ${remedy}`
      )
    }),
  )
}

const remedy = 'set resources in the policy (cache.resources, warmup.resources)'

function rangeProblem(limit: Limit, { requests, limits }: Container): string | undefined {
  const text = (resource: string, amount: number) => `${amountText(resource, amount)} of ${resource}`
  const above = Object.entries(limit.max).map(([resource, most]) => () => {
    const upper = limits[resource]
    if (upper === undefined) return `no ${resource} without a limit`
    const wanted = Math.max(upper, requests[resource] ?? 0)
    return wanted > most ? `${text(resource, most)}, and not ${amountText(resource, wanted)}` : undefined
  })
  const below = Object.entries(limit.min).map(([resource, least]) => () => {
    const wanted = requests[resource]
    if (wanted === undefined) return `no ${resource} without a request`
    return wanted < least ? `no less than ${text(resource, least)}` : undefined
  })
  const apart = Object.entries(limit.ratio).map(([resource, most]) => () => {
    const [request = 0, upper = 0] = [requests[resource], limits[resource]]
    return request === 0 || upper === 0 || upper / request > most
      ? `${most} times the request of ${resource} as its limit`
      : undefined
  })
  // The API server refuses a request above the limit that a LimitRange fills in.
  const filled = Object.entries(limits).map(([resource, upper]) => () => {
    const request = requests[resource] ?? 0
    return request > upper
      ? `${text(resource, upper)} by default, and not ${amountText(resource, request)}`
      : undefined
  })
  return first([...above, ...below, ...apart, ...(limit.type === 'Container' ? filled : [])])
}

/** Fluid's claims request this much whatever a cache holds (fluid v1.0.8 pkg/utils/dataset.go). */
const claimBytes = 100 * 2 ** 50

function claimProblem({ name, max: { storage } }: Limit): string | undefined {
  if (storage === undefined || storage >= claimBytes) return undefined
  return `LimitRange ${quoted(name)} allows claims of ${amountText('storage', storage)}, and Fluid's request 100Pi; ${claimRemedy}`
}

const claimRemedy =
  'only a Dataset that your team creates can request less (annotation pvc.fluid.io/resources.requests.storage)'

/** A quota of CPU or memory refuses each container that does not say how much it wants. */
function unspecified(quota: Quota, pods: Pods[]): string | undefined {
  for (const { part, containers = [], ...pod } of pods) {
    if (!matches(quota, { containers, ...pod })) continue
    const missing = computeResources.find(
      ({ name, list, resource }) =>
        quota.hard[name] !== undefined && containers.some((each) => each[list][resource] === undefined),
    )
    if (missing !== undefined)
      return `ResourceQuota ${quoted(quota.name)} allows no container without ${missing.list}.${missing.resource}, and one of Fluid's (${part}) has none: ${remedy}, or give the namespace a LimitRange with defaults`
  }
  return undefined
}

const computeResources = (['cpu', 'memory'] as const).flatMap((resource) => [
  { name: resource, list: 'requests' as const, resource },
  { name: `requests.${resource}`, list: 'requests' as const, resource },
  { name: `limits.${resource}`, list: 'limits' as const, resource },
])

function tooSmall({ name, hard }: Quota, needed: Amounts): string | undefined {
  const entry = [...needed].find(
    ([resource, amount]) => amount > (hard[resource] ?? Number.POSITIVE_INFINITY),
  )
  if (entry === undefined) return undefined
  const [resource, amount] = entry
  const [most, wanted] = [hard[resource] ?? 0, amount].map((each) => amountText(resource, each))
  const how = resource.endsWith('requests.storage')
    ? claimRemedy
    : 'make the cache smaller in its policy, or raise the quota'
  return `ResourceQuota ${quoted(name)} allows ${most} of ${resource}, and the cache needs ${wanted}: ${how}`
}

function usedUp({ name, hard, used }: Quota, needed: Amounts): string | undefined {
  const entry = [...needed].find(
    ([resource, amount]) => hard[resource] !== undefined && amount > hard[resource] - (used[resource] ?? 0),
  )
  if (entry === undefined) return undefined
  const [resource, amount] = entry
  const left = Math.max(0, (hard[resource] ?? 0) - (used[resource] ?? 0))
  return `ResourceQuota ${quoted(name)} has ${amountText(resource, left)} of ${resource} left, and the cache needs ${amountText(resource, amount)}`
}

/** What a quota counts of a new cache. */
function needs(quota: Quota, { runtime, source, paths }: Cache, pods: Pods[]): Amounts {
  const counted = pods.filter((each) => matches(quota, each))
  const count = counted.reduce((sum, each) => sum + each.count, 0)
  const total = (list: 'requests' | 'limits', resource: string) =>
    counted.reduce((sum, each) => sum + each.count * (sumOf(each.containers ?? [])[list][resource] ?? 0), 0)
  const compute = ['cpu', 'memory', 'ephemeral-storage'].flatMap((resource) => {
    const requested = total('requests', resource)
    const limited: [string, number] = [`limits.${resource}`, total('limits', resource)]
    return [[resource, requested], [`requests.${resource}`, requested], limited] as [string, number][]
  })
  // A quota with scopes counts pods alone.
  const others = quota.scopes.length > 0 ? [] : objectsOf({ runtime, source, paths }, pods)
  const ofPods: [string, number][] = [['pods', count], ['count/pods', count], ...compute]
  return new Map([...ofPods, ...others].filter(([, amount]) => amount > 0))
}

function objectsOf({ runtime, source, paths }: Pick<Cache, 'runtime' | 'source' | 'paths'>, pods: Pods[]) {
  const owners = Map.groupBy(pods, ({ owner }) => owner)
  const isReference = isReferenceTo(source)
  const found: [string, number][] = [
    ...['', 'fluid.storageclass.storage.k8s.io/'].flatMap((prefix): [string, number][] => [
      [`${prefix}persistentvolumeclaims`, 1],
      [`${prefix}requests.storage`, claimBytes],
    ]),
    ['count/persistentvolumeclaims', 1],
    ['count/datasets.data.fluid.io', 1],
    ...(isReference ? [] : [[`count/${runtimes[runtime].plural}.data.fluid.io`, 1] as [string, number]]),
    ['count/dataloads.data.fluid.io', owners.has('jobs.batch') ? paths.length : 0],
    ...[...owners].map(([owner, each]): [string, number] => [`count/${owner}`, each.length]),
  ]
  return found
}

/** Whether a quota counts these pods; all scopes must match. Fluid's pods have no deadline. */
function matches(
  { scopes }: Quota,
  { containers = [], priorityClass }: Pick<Pods, 'containers' | 'priorityClass'>,
): boolean {
  const isBestEffort = containers.every(
    ({ requests, limits }) => Object.keys(requests).length + Object.keys(limits).length === 0,
  )
  return scopes.every(({ name, operator, values }) => {
    if (name === 'NotTerminating') return true
    if (name === 'BestEffort') return isBestEffort
    if (name === 'NotBestEffort') return !isBestEffort
    if (name !== 'PriorityClass') return false
    if (operator === 'Exists') return priorityClass !== ''
    if (operator === 'DoesNotExist') return priorityClass === ''
    return values.includes(priorityClass) === (operator === 'In')
  })
}

function sumOf(containers: Container[]): Container {
  const sum: Container = { requests: {}, limits: {} }
  for (const list of ['requests', 'limits'] as const)
    for (const container of containers)
      for (const [resource, amount] of Object.entries(container[list]))
        sum[list][resource] = (sum[list][resource] ?? 0) + amount
  return sum
}

function amountText(resource: string, amount: number): string {
  return /memory|storage$/.test(resource) && amount >= 1024
    ? formatSize(amount)
    : String(Number(amount.toFixed(3)))
}
