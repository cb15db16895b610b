/**
 * Every key under `warmgate.dev/`: labels, annotations, gates, conditions and names. Each says which objects
 * carry it ("On"), who writes and who reads it, and how long it lives. keys.test.ts holds the rest of src,
 * the manifests and the docs to this list.
 */

/** The domain of Warmgate's keys, and its API group. */
export const keyDomain = 'warmgate.dev'

/**
 * Whether a label, annotation, gate or condition is in Warmgate's domain. Kubernetes allows capitals in the
 * domain of an annotation; with them the key is unknown.
 */
export function isWarmgateKey(key: string): boolean {
  const start = key.slice(0, keyDomain.length + 1)
  return start.toLowerCase() === `${keyDomain}/`
}

/**
 * Opts a namespace in (`enabled`), or out of policies with `scope: Cluster` (`disabled`).
 * On: namespaces (label).
 * Written by: platform and model teams.
 * Read by: the webhook's selectors, policies.
 * Lives: until its author removes it.
 */
export const accelerationLabel = 'warmgate.dev/acceleration'

/**
 * Opts a service out (`disabled`).
 * On: services, and the pods that KServe copies it to (annotation).
 * Written by: model teams; the controller when a hold ends in Revert; `warmgate restore`.
 * Read by: plans of services and pods.
 * Lives: until its author removes it; one with `reverted` beside it until Warmgate is uninstalled.
 */
export const accelerationAnnotation = 'warmgate.dev/acceleration'

/**
 * Why Warmgate gave a service back to its storage initializer.
 * On: services, and the pods that KServe copies it to (annotation).
 * Written by: the controller when a hold ends in Revert; `warmgate restore`.
 * Read by: the Event and the condition of the pod, `warmgate restore`.
 * Lives: as long as the opt-out that was written with it.
 */
export const revertedAnnotation = 'warmgate.dev/reverted'

/**
 * Asks, in an update, that an existing service be accelerated.
 * On: services (annotation).
 * Written by: the controller (`adoptExisting`), `warmgate adopt`, model teams.
 * Read by: admission.
 * Lives: for one admission request, which removes it.
 */
export const adoptAnnotation = 'warmgate.dev/adopt'

/**
 * The fields of a service before Warmgate changed them, signed.
 * On: services, and the pods that KServe copies it to (annotation).
 * Written by: admission.
 * Read by: plans of updates, the reverting controller, `warmgate restore`.
 * Lives: as long as the service is accelerated.
 */
export const originalAnnotation = 'warmgate.dev/original'

/**
 * The names of the caches that a service or a redirected pod uses, separated by commas.
 * On: services, and the pods that KServe copies it to; pods with `rewrite: Pod` (annotation).
 * Written by: admission.
 * Read by: the mirror, to find who uses a cache.
 * Lives: as long as the service is accelerated; on a pod as long as the pod.
 */
export const cachesAnnotation = 'warmgate.dev/caches'

/**
 * Overrides of a model team for one service, if the policy allows them.
 * On: services, and the pods that KServe copies them to (annotation).
 * Written by: model teams.
 * Read by: plans of services and pods.
 * Lives: until its author removes it.
 */
export const overrideAnnotations = {
  policy: 'warmgate.dev/policy',
  hold: 'warmgate.dev/hold',
  'hold-timeout': 'warmgate.dev/hold-timeout',
  'cache-size': 'warmgate.dev/cache-size',
  'cache-replicas': 'warmgate.dev/cache-replicas',
  gpu: 'warmgate.dev/gpu',
} as const

/** The annotation of an override, by the name that policies give it. */
export const overrideAnnotation = (name: keyof typeof overrideAnnotations) => overrideAnnotations[name]

/**
 * Holds a pod until its caches are warm.
 * On: pods (readiness gate with a condition of the same name, or scheduling gate).
 * Written by: admission, when the pod is created; the controller writes the condition.
 * Read by: the kubelet and the scheduler; the controller, metrics, `warmgate status`.
 * Lives: the readiness gate as long as the pod; the scheduling gate until the controller removes it.
 */
export const cacheWarmGate = 'warmgate.dev/cache-warm'

/**
 * Marks a pod that was created before it could get a sidecar, and that will be replaced.
 * On: pods (annotation).
 * Written by: admission, when the pod is created.
 * Read by: the controller, which replaces the pod.
 * Lives: as long as the pod.
 */
export const awaitsAnnotation = 'warmgate.dev/awaits-sidecar'

/**
 * The PVCs that a pod mounted before Fluid's webhook replaced them by a sidecar and a host path.
 * On: pods (annotation).
 * Written by: admission, when the pod is created.
 * Read by: the mirror, to find which caches a pod mounts.
 * Lives: as long as the pod.
 */
export const mountsAnnotation = 'warmgate.dev/mounts'

/**
 * The URI that a cache is of.
 * On: Datasets, Runtimes, DataLoads and Secrets of caches (annotation).
 * Written by: the controller.
 * Read by: pod rewrites, reports, the controller before it writes over an object.
 * Lives: as long as the object.
 */
export const sourceAnnotation = 'warmgate.dev/source'

/**
 * The UID of the Dataset that an object was created for.
 * On: Runtimes and DataLoads of caches (annotation).
 * Written by: the controller.
 * Read by: the controller, to delete what an earlier Dataset of the name left.
 * Lives: as long as the object.
 */
export const partOfAnnotation = 'warmgate.dev/part-of'

/**
 * `Bound` where nothing is loaded ahead, by its runtime or by its policy, so that a Bound Dataset is warm.
 * On: Datasets (annotation).
 * Written by: the controller.
 * Read by: holds, metrics, `warmgate status`.
 * Lives: as long as the Dataset.
 */
export const warmWhenAnnotation = 'warmgate.dev/warm-when'

/**
 * The number of the current retry of a warm-up. On a Dataset, each path has its own key:
 * `retries.<DataLoad>`.
 * On: Datasets and DataLoads (annotation).
 * Written by: the controller.
 * Read by: the controller, holds.
 * Lives: on a Dataset until the warm-up succeeds; on a DataLoad as long as it.
 */
export const retriesAnnotation = 'warmgate.dev/retries'

/**
 * How often a warm-up that fails is tried again, by the policy in force.
 * On: DataLoads (annotation).
 * Written by: the controller.
 * Read by: holds, metrics, `warmgate status`.
 * Lives: as long as the DataLoad.
 */
export const retryLimitAnnotation = 'warmgate.dev/retry-limit'

/**
 * The pending changes of a cache: fields of the policy that only a new cache would get.
 * On: Datasets (annotation).
 * Written by: the controller.
 * Read by: metrics, Events, `warmgate status`.
 * Lives: until cache and policy agree.
 */
export const outdatedAnnotation = 'warmgate.dev/outdated'

/**
 * When the first pod began to wait for a cache. Each path has its own key: `waiting-since.<DataLoad>`.
 * On: Datasets (annotation).
 * Written by: the controller.
 * Read by: holds.
 * Lives: until the cache is warm.
 */
export const waitingSinceAnnotation = 'warmgate.dev/waiting-since'

/**
 * When the last service stopped using a cache.
 * On: Datasets (annotation).
 * Written by: the controller.
 * Read by: the controller, which deletes the cache after `retain`.
 * Lives: until a service uses the cache again.
 */
export const unusedSinceAnnotation = 'warmgate.dev/unused-since'

/**
 * Until when an unused cache is retained.
 * On: Datasets (annotation).
 * Written by: the controller.
 * Read by: people, `warmgate status`.
 * Lives: until a service uses the cache again.
 */
export const retainedUntilAnnotation = 'warmgate.dev/retained-until'

/**
 * Which step of the filling of a mirror a Job is: `look` or `fill`.
 * On: Jobs that fill mirrors, and their pods (label).
 * Written by: the controller.
 * Read by: the mirror, to follow these Jobs; a ValidatingAdmissionPolicy.
 * Lives: as long as the Job.
 */
export const fillLabel = 'warmgate.dev/fill'

/**
 * The content of a model's marker in a mirror: the model's URI and the downloading image.
 * On: pods of Jobs that fill mirrors (annotation).
 * Written by: the controller.
 * Read by: the pod itself, by its downward API.
 * Lives: as long as the pod.
 */
export const markerAnnotation = 'warmgate.dev/marker'

/**
 * Requests to download the model of a cache into its mirror again. The value distinguishes requests.
 * On: Datasets, and the Jobs that answer it (annotation).
 * Written by: `warmgate refresh`; the controller on Jobs.
 * Read by: the controller.
 * Lives: on a Dataset until the next request; on a Job as long as it.
 */
export const refillAnnotation = 'warmgate.dev/refill'

/**
 * The result of the last request to fill a mirror again: the request, then `Complete`, or `Failed` and a
 * reason.
 * On: Datasets (annotation).
 * Written by: the controller.
 * Read by: `warmgate refresh`.
 * Lives: until the next answer.
 */
export const refilledAnnotation = 'warmgate.dev/refilled'

/**
 * When the controller last made Fluid look at a cache, because pods of it became ready.
 * On: AlluxioRuntimes (annotation).
 * Written by: the controller.
 * Read by: the controller, so that it does not do so too often; Fluid reads no more than that the object changed.
 * Lives: as long as the Runtime.
 */
export const nudgedAnnotation = 'warmgate.dev/nudged'

/**
 * The model URI that is downloaded into the source of a cache.
 * On: Datasets (annotation).
 * Written by: the controller.
 * Read by: `warmgate refresh`, reports.
 * Lives: as long as the Dataset.
 */
export const filledFromAnnotation = 'warmgate.dev/filled-from'

/**
 * The reporter of an Event.
 * On: Events (`reportingController`).
 * Written by: webhook and controller.
 * Read by: people, and what selects Events.
 * Lives: as long as the Event, an hour by default.
 */
export const reportingController = 'warmgate.dev/warmgate'

/**
 * Lets a namespace read the metrics (`allowed`).
 * On: namespaces (label).
 * Written by: platform teams.
 * Read by: the NetworkPolicy of manifests/base.
 * Lives: until its author removes it.
 */
export const metricsLabel = 'warmgate.dev/metrics'

/**
 * Marks the service that `warmgate doctor` creates as a dry run: admission warns of a label of Warmgate's on
 * a service.
 * On: services (label).
 * Written by: `warmgate doctor`.
 * Read by: no component. The warning shows that admission got the request.
 * Lives: for one admission request.
 */
export const doctorLabel = 'warmgate.dev/doctor'
