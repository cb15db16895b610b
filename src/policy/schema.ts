import Type from 'typebox'
import { runtimeNames } from '../fluid/runtimes.ts'
import { accelerationLabel, overrideAnnotations } from '../values/keys.ts'

/*
 * The one definition of an AccelerationPolicy: its TypeScript type, its defaults and its CRD (crd.ts) all are
 * derived from this schema; other rules are in rules.ts. It has only values that Warmgate supports: an
 * unsupported value is rejected, never ignored. Lists and strings have a maximum length, from which the API
 * server estimates the cost of CEL rules.
 */

const closed = { additionalProperties: false }
const text = (description: string) => Type.String({ description, maxLength: 253 })
const map = (description: string) =>
  Type.Record(Type.String(), Type.String(), { description, default: {}, maxProperties: 64 })
const duration = (description: string, value: string) =>
  Type.String({ description, default: value, maxLength: 32 })

const fraction = (description: string) => Type.Optional(Type.String({ description, maxLength: 16 }))

const labelSelector = (description: string, more: object = { default: {} }) =>
  Type.Object(
    {
      matchLabels: Type.Optional(Type.Record(Type.String(), Type.String())),
      matchExpressions: Type.Optional(
        Type.Array(
          Type.Object(
            {
              key: Type.String({ maxLength: 317 }),
              operator: Type.Enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
              values: Type.Optional(Type.Array(Type.String({ maxLength: 63 }), { maxItems: 256 })),
            },
            closed,
          ),
          { maxItems: 32 },
        ),
      ),
    },
    { ...closed, description, ...more },
  )

// Only whole numbers up to 999: KServe rewrites 1000 as 1k, and Warmgate would not recognize it.
const deviceCount = Type.Unsafe<string | number>({
  anyOf: [{ type: 'integer' }, { type: 'string' }],
  minimum: 1,
  maximum: 999,
  pattern: '^[1-9][0-9]{0,2}$',
  'x-kubernetes-int-or-string': true,
})

const anyObject = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }

const toleration = Type.Object(
  {
    key: Type.Optional(Type.String({ maxLength: 317 })),
    operator: Type.Optional(Type.Enum(['Exists', 'Equal'])),
    value: Type.Optional(Type.String()),
    effect: Type.Optional(Type.Enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])),
    tolerationSeconds: Type.Optional(Type.Integer()),
  },
  closed,
)

const cpu = Type.Unsafe<string | number>({
  anyOf: [{ type: 'integer' }, { type: 'string' }],
  minimum: 0,
  maximum: 1_000,
  pattern: '^[0-9]{1,4}(\\.[0-9]{1,3}|[0-9]{0,4}m)?$',
  'x-kubernetes-int-or-string': true,
})
const amounts = (more: object = {}) =>
  Type.Object(
    { cpu: Type.Optional(cpu), memory: Type.Optional(Type.String({ maxLength: 32 })) },
    { ...closed, ...more },
  )
/** Requests and limits of one container; `requests` are the default. */
const resources = (description: string, requests: { cpu: string; memory: string }) =>
  Type.Object(
    { requests: amounts({ default: requests }), limits: Type.Optional(amounts()) },
    { ...closed, description, default: {} },
  )

/** The rclone image that stores and checks what was downloaded. */
const storeImage = 'rclone/rclone:1.69.3'

const fill = Type.Object(
  {
    mode: Type.Enum(['IfMissing', 'Always', 'Never'], {
      description:
        'IfMissing: a Job looks for the complete directory first, and downloads only if it is not there. Always: each new cache is downloaded again. Never: another cluster or namespace fills the mirror; it is only read here.',
      default: 'IfMissing',
    }),
    sources: Type.Enum(['Unmountable', 'All'], {
      description:
        'Unmountable: what a Runtime can mount where it is, is mounted there, and the rest is downloaded into the mirror. All: everything that the rule matches.',
      default: 'Unmountable',
    }),
    share: Type.Enum(['PublicModels', 'All'], {
      description:
        'PublicModels: namespaces share the hf:// models that are downloaded without a token; any other model has a directory of its namespace. All: every model has one directory; for a mirror that all its readers may read as a whole.',
      default: 'PublicModels',
    }),
    timeout: duration(
      'How long a download may take, with its retries. Pods are held for this time beside warmup.timeout.',
      '1h',
    ),
    resources: resources("Of the containers that store and check; the download has those of KServe's own.", {
      cpu: '100m',
      memory: '256Mi',
    }),
    scratch: Type.Object(
      {
        size: Type.String({
          description: 'How much space a download may take before it is stored.',
          default: '100Gi',
          maxLength: 32,
        }),
        storageClassName: Type.Optional(
          text('The StorageClass of a volume for each Job; without it the space is an emptyDir of its node.'),
        ),
      },
      { ...closed, default: {}, description: 'Space for one download. A pvc:// mirror needs none.' },
    ),
    serviceAccount: Type.String({
      description:
        "Own: the Job runs as the service's own account. Otherwise an account of the service's namespace.",
      default: 'Own',
      maxLength: 253,
    }),
    credentials: Type.Object(
      {
        secretName: Type.Optional(
          text(
            "A Secret of the service's namespace that may write the mirror; without it, the Secret of the rule's credentials.",
          ),
        ),
      },
      { ...closed, default: {} },
    ),
    image: Type.String({
      description: 'The rclone image that stores and checks what was downloaded.',
      default: storeImage,
      maxLength: 253,
    }),
  },
  {
    ...closed,
    description:
      "Fills the mirror by a Job that runs KServe's storage initializer. Without it nothing is written to the mirror.",
  },
)

const source = Type.Object(
  {
    match: Type.Array(Type.String({ maxLength: 256 }), {
      description:
        'URI prefixes that this rule is for, e.g. "s3://models/" or "oss://"; in "s3://models/$(namespace)/" $(namespace) is the namespace of the service.',
      minItems: 1,
      maxItems: 32,
      uniqueItems: true,
    }),
    runtime: Type.Enum(['Auto', ...runtimeNames], {
      description:
        'The Fluid runtime that caches these sources; Auto takes the first installed one that serves the scheme.',
      default: 'Auto',
    }),
    mirror: Type.String({
      description:
        'A copy of these sources: the part after the matched prefix is read from here, e.g. hf:// from s3://mirror/hf/. $(namespace) works as in match. It can replace a scheme that no Runtime serves.',
      default: '',
      maxLength: 256,
      pattern: '^$|^[a-z0-9]+://[^/]+/([^/]+/)*$',
    }),
    fill: Type.Optional(fill),
    files: Type.Enum(['Skip', 'Parent'], {
      description:
        'What to do with a URI that names a single file. Skip: it is not accelerated. Parent: its directory is mounted; the file must be the only one in its directory.',
      default: 'Skip',
    }),
    dataset: Type.Optional(
      Type.Object(
        {
          namespace: Type.String({ maxLength: 63 }),
          name: Type.String({ maxLength: 63 }),
        },
        {
          ...closed,
          description:
            'A Dataset of another namespace that mounts these sources. A service reads them through a reference to it if its service account may get that Dataset. The Dataset uses its own credentials.',
        },
      ),
    ),
    options: map(
      'Mount options of the Dataset, e.g. fs.oss.endpoint. Never put a credential here: they are visible.',
    ),
    profile: Type.Optional(
      text('The ThinRuntimeProfile of a Thin runtime, or the CacheRuntimeClass of a Cache runtime.'),
    ),
    credentials: Type.Object(
      {
        keys: Type.Optional(
          Type.Record(Type.String(), Type.String(), {
            description:
              'Mount options, each with the key of the Secret that holds its value, e.g. access-key: AWS_ACCESS_KEY_ID.',
          }),
        ),
        identity: Type.Optional(
          Type.Enum(['Node'], {
            description:
              'Node: if a service names no credentials, workers read with the identity of their node (Alluxio; S3 and GCS). Every service in the namespace can then read what the nodes may read. Without it, Alluxio does not cache such sources.',
          }),
        ),
        secretName: Type.Optional(
          text("A Secret of the service's namespace, instead of what KServe would use."),
        ),
      },
      { ...closed, default: {} },
    ),
  },
  closed,
)

const cacheTier = Type.Object(
  {
    medium: Type.Enum(['MEM', 'SSD', 'HDD'], { default: 'SSD' }),
    path: Type.Optional(
      Type.String({ description: 'A directory of the node; the same as paths with one.', maxLength: 255 }),
    ),
    paths: Type.Optional(
      Type.Array(Type.String({ maxLength: 255 }), {
        description:
          'Directories of the node, one for each disk. Without any, each worker has an emptyDir as large as the quota.',
        minItems: 1,
        maxItems: 16,
        uniqueItems: true,
      }),
    ),
    quota: Type.String({
      description: 'What each worker may keep on each path.',
      default: '50Gi',
      maxLength: 32,
    }),
    high: fraction('The share of the quota at which eviction starts, e.g. "0.95".'),
    low: fraction('The share of the quota at which eviction stops, e.g. "0.7".'),
    volumeType: Type.Optional(
      Type.Enum(['hostPath', 'emptyDir'], {
        description: 'Default: hostPath if a path is set, otherwise emptyDir.',
      }),
    ),
  },
  closed,
)

const cache = Type.Object(
  {
    scope: Type.Enum(['Model', 'Source'], {
      description:
        'Model: one Dataset for each model. Source: one for all models below the prefix that their rule matches, mounted there and warmed model by model.',
      default: 'Model',
    }),
    replicas: Type.Integer({
      description: 'How many cache workers.',
      default: 2,
      minimum: 1,
      maximum: 1_000,
    }),
    size: Type.Enum(['Auto', 'Fixed'], {
      description:
        'Auto: if a model is larger than its cache, the cache gets more workers before it is filled, up to maxReplicas. Fixed: always replicas. The annotations for size and replicas also mean Fixed.',
      default: 'Auto',
    }),
    maxReplicas: Type.Integer({
      description:
        'How many cache workers size: Auto and podsPerWorker may reach; limits.cacheReplicas bounds it, too.',
      default: 8,
      minimum: 1,
      maximum: 1_000,
    }),
    podsPerWorker: Type.Optional(
      Type.Integer({
        description:
          'Workers follow the pods that read a warm cache: one for so many pods, from replicas up to maxReplicas, and fewer again 10 minutes after the pods are gone. Without it: always replicas. The annotation for replicas means that, too.',
        minimum: 1,
        maximum: 1_000,
      }),
    ),
    tieredStore: Type.Array(cacheTier, {
      minItems: 1,
      maxItems: 8,
      default: [{ medium: 'SSD', quota: '50Gi', high: '0.95', low: '0.7' }],
    }),
    retain: duration(
      'How long a cache outlives its last service, so that a service that is created again finds it warm.',
      '0s',
    ),
    nodeSelector: map('Labels of the nodes for masters and workers; FUSE follows the pods.'),
    tolerations: Type.Array(toleration, {
      description: 'Tolerations of masters, workers and warm-ups.',
      default: [],
      maxItems: 32,
    }),
    cleanPolicy: Type.Enum(['OnRuntimeDeleted', 'OnDemand'], {
      description: 'OnDemand: Fluid deletes the FUSE pod of a node once no pod there uses the cache.',
      default: 'OnRuntimeDeleted',
    }),
    fuse: Type.Enum(['Node', 'Sidecar'], {
      description:
        "How pods mount their cache. Node: with Fluid's CSI driver on their node. Sidecar: with a FUSE client in the pod, for nodes without that driver (serverless); Fluid's webhook adds it.",
      default: 'Node',
    }),
    prefetch: Type.Enum(['Auto', 'Always', 'Never'], {
      description:
        "Whether Fluid's file prefetcher reads the model into the memory of its node while the server starts. Auto: for the model formats huggingface and vLLM, which read at random.",
      default: 'Auto',
    }),
    prefetchImage: Type.Optional(
      Type.String({
        description:
          "The image of Fluid's file prefetcher, if Fluid's webhook is installed without one: it refuses pods then.",
        pattern: '^[A-Za-z0-9][A-Za-z0-9._:/@-]*$',
        maxLength: 253,
      }),
    ),
    resources: Type.Object(
      {
        master: resources('Resources of each master.', { cpu: '500m', memory: '1Gi' }),
        worker: resources('Resources of each worker; tiers of medium MEM are added to its memory.', {
          cpu: '500m',
          memory: '2Gi',
        }),
        fuse: resources('Resources of each FUSE client.', { cpu: '100m', memory: '512Mi' }),
      },
      {
        ...closed,
        description: 'Resources of the pods of a cache; for Thin and Cache they are set in the profile.',
        default: {},
      },
    ),
    template: Type.Unsafe<Record<string, unknown>>({
      type: 'object',
      description: "Merged into the Runtime's spec, for fields that this policy does not have.",
      default: {},
      // A CEL rule sees only declared fields.
      properties: Object.fromEntries([
        ['replicas', { type: 'integer' }],
        ...['tieredstore', 'metadata', 'spec'].map((name) => [name, anyObject]),
        ...['apiVersion', 'kind', 'profileName', 'runtimeClassName', 'placement'].map((name) => [
          name,
          { type: 'string' },
        ]),
        ['mounts', { type: 'array', maxItems: 64, items: anyObject }],
        ['accessModes', { type: 'array', maxItems: 64, items: { type: 'string' } }],
      ]),
      'x-kubernetes-preserve-unknown-fields': true,
    }),
  },
  { ...closed, default: {} },
)

const warmup = Type.Object(
  {
    enabled: Type.Boolean({
      description: 'Fill a new cache with a DataLoad before its first read.',
      default: true,
    }),
    replicas: Type.Optional(
      Type.Integer({
        description:
          'Copies of each file. Default: one for each worker, or as many as the cache has room for.',
        minimum: 1,
        maximum: 1_000,
      }),
    ),
    retries: Type.Integer({
      description: 'How often a failed warm-up is tried again, with growing delays.',
      default: 3,
      minimum: 0,
      maximum: 100,
    }),
    schedule: Type.String({
      description:
        'A cron of five fields, e.g. "0 3 * * *": when to load changes at the source, in the time zone of the cluster. Empty: never.',
      default: '',
      maxLength: 128,
    }),
    onEviction: Type.Enum(['Report', 'Rewarm'], {
      description:
        'What to do with a warm cache that has lost much of its model. Report: an Event. Rewarm: fill it again, at most once an hour.',
      default: 'Report',
    }),
    resources: resources('Resources of the pod that fills a cache.', { cpu: '100m', memory: '256Mi' }),
    timeout: duration(
      'How long pods may be held for a warm-up, counted from the creation of the first one that waits.',
      '30m',
    ),
    boundTimeout: duration(
      'How long pods may be held for a Dataset that is never Bound, or for a warm-up that is suspended; counted as timeout.',
      '10m',
    ),
  },
  { ...closed, default: {} },
)

const hold = Type.Object(
  {
    at: Type.Enum(['Auto', 'Readiness', 'Scheduling', 'None'], {
      description:
        'Auto: Scheduling if the startup or liveness probe of the server is shorter than the hold, otherwise Readiness. Readiness: a pod starts, and is not Ready before its cache is warm. Scheduling: it is not scheduled before, so that it occupies no GPU. None: no pod waits.',
      default: 'Auto',
    }),
    onTimeout: Type.Enum(['Serve', 'Revert', 'Keep'], {
      description:
        'What a held pod does at the timeout. Serve: serve from a cold cache, or revert if the cache has no files. Revert: revert the service to the storage initializer. Keep: continue to wait.',
      default: 'Serve',
    }),
    onFailure: Type.Enum(['Serve', 'Revert', 'Keep'], {
      description:
        'What a held pod does if the warm-up failed permanently. Serve: serve from a cold cache, or revert if the cache has no files. Revert: revert the service to the storage initializer. Keep: wait for the timeout.',
      default: 'Revert',
    }),
  },
  { ...closed, default: {} },
)

const gpu = Type.Object(
  {
    when: Type.Object(
      {
        modelFormats: Type.Array(Type.String({ maxLength: 63 }), {
          description:
            'Model formats that get GPUs, in any letter case; custom means a predictor with custom containers. Formats that run on CPUs never get one.',
          default: ['huggingface', 'vLLM'],
          maxItems: 64,
        }),
        runtimes: Type.Array(Type.String(), {
          description: 'Names of ServingRuntimes; their services get GPUs.',
          default: [],
        }),
        selector: Type.Optional(labelSelector('Services that get GPUs.', {})),
      },
      { ...closed, default: {} },
    ),
    resources: Type.Record(Type.String(), deviceCount, {
      description:
        'Limits and requests to add, if neither the service nor its ServingRuntime requests an accelerator.',
      maxProperties: 16,
    }),
    tolerations: Type.Array(toleration, {
      description: 'Added to the pods of services that got these resources.',
      default: [],
      maxItems: 32,
    }),
    nodeSelector: map('Added to the pods of services that got these resources.'),
    runtimeClassName: Type.Optional(
      text('The RuntimeClass of the pods of services that got these resources, if they have none.'),
    ),
  },
  closed,
)

const adopt = Type.Object(
  {
    mode: Type.Enum(['Manual', 'Automatic'], {
      description:
        'What to do with services that existed before their namespace opted in or before this policy. Manual: they stay as they are until warmgate adopt. Automatic: they are adopted one after another, each when its cache is warm and the previous one is Ready again.',
      default: 'Manual',
    }),
    pause: duration('How long to wait after one service is Ready again before the next.', '1m'),
    timeout: duration(
      'How long the pods of one service may take to be Ready again. Adoption stops at a service that takes longer.',
      '30m',
    ),
  },
  { ...closed, default: {} },
)

const prewarm = Type.Object(
  {
    uris: Type.Array(Type.String({ maxLength: 512, pattern: '^[a-z][a-z0-9+.-]*://[A-Za-z0-9][^\\s$]*$' }), {
      description: 'Models, by the URI that their services will name, e.g. hf://org/model.',
      minItems: 1,
      maxItems: 16,
      uniqueItems: true,
    }),
    namespaces: Type.Array(Type.String({ maxLength: 63, pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' }), {
      description: 'Where their services will be. The policy has to select these namespaces.',
      minItems: 1,
      maxItems: 16,
      uniqueItems: true,
    }),
    serviceAccountName: Type.String({
      description:
        'The service account that their services will have: a cache belongs to what its account may read.',
      default: 'default',
      maxLength: 253,
      pattern: '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$',
    }),
  },
  closed,
)

export const overrideNames = [
  'policy',
  'hold',
  'hold-timeout',
  'cache-size',
  'cache-replicas',
  'gpu',
] as const

const limits = Type.Object(
  {
    cacheSize: Type.Optional(
      Type.String({
        description: `The greatest ${overrideAnnotations['cache-size']}, e.g. 500Gi. Default: the quota of the first tier.`,
        maxLength: 32,
      }),
    ),
    holdTimeout: Type.Optional(
      Type.String({
        description: `The longest ${overrideAnnotations['hold-timeout']}, e.g. 2h. Default: warmup.timeout.`,
        maxLength: 32,
      }),
    ),
    cacheReplicas: Type.Optional(
      Type.Integer({
        description: `The greatest ${overrideAnnotations['cache-replicas']}. Default: cache.replicas.`,
        minimum: 1,
        maximum: 1_000,
      }),
    ),
    // With default settings that is 300 pods of masters and workers, and 10 TiB of disk.
    caches: Type.Integer({
      description:
        'How many caches a namespace may have. A service that needs one more is not accelerated (CacheLimit).',
      default: 100,
      minimum: 1,
      maximum: 10_000,
    }),
  },
  {
    ...closed,
    description: 'How far overrides may go, and how many caches a namespace may have.',
    default: {},
  },
)

export const policySpecSchema = Type.Object(
  {
    priority: Type.Integer({
      description:
        'The matching policy with the highest priority governs a service; among equals, the first by name.',
      default: 0,
    }),
    scope: Type.Enum(['OptedIn', 'Cluster'], {
      description: `OptedIn: namespaces with the label ${accelerationLabel}: enabled. Cluster: also namespaces without the label, but none with another value; this needs manifests/cluster-wide. Never the namespaces of Kubernetes, KServe, Fluid and Warmgate.`,
      default: 'OptedIn',
    }),
    namespaceSelector: labelSelector('Namespaces in scope that this policy is for.'),
    serviceSelector: labelSelector('Services that this policy is for.'),
    mode: Type.Enum(['Enforce', 'Audit', 'Off'], {
      description:
        'Enforce accelerates. Audit changes nothing and reports what would happen. Off leaves services alone; quote it ' +
        'in YAML, where a plain Off is a boolean.',
      default: 'Enforce',
    }),
    rewrite: Type.Enum(['Spec', 'Pod', 'WarmPod'], {
      description:
        'Spec: rewrite the model location in the service. Pod: leave the service as it is, and redirect its pods to the cache when they are created; for GitOps. WarmPod: as Pod, but only pods that are created once the cache is warm; earlier ones download the model as without Warmgate, and none waits.',
      default: 'Spec',
    }),
    overrides: Type.Array(Type.Enum([...overrideNames]), {
      description: `What model teams may set with an annotation on their service (${overrideAnnotations.hold}, …).`,
      default: ['hold', 'hold-timeout', 'cache-size', 'cache-replicas'],
      maxItems: 8,
      uniqueItems: true,
    }),
    limits,
    sources: Type.Array(source, {
      description:
        'Which sources are accelerated, and how; the first match wins. Empty: every scheme that a Runtime serves.',
      default: [],
      maxItems: 32,
    }),
    cache,
    warmup,
    hold,
    adopt,
    prewarm: Type.Array(prewarm, {
      description:
        'Models with caches that are made and warmed before any service asks for them, and kept while they are listed here.',
      default: [],
      maxItems: 16,
    }),
    gpu: Type.Optional(gpu),
  },
  closed,
)

const condition = Type.Object(
  {
    type: Type.String(),
    status: Type.Enum(['True', 'False', 'Unknown']),
    observedGeneration: Type.Optional(Type.Integer()),
    lastTransitionTime: Type.String({ format: 'date-time' }),
    reason: Type.String(),
    message: Type.String(),
  },
  closed,
)

const adoption = Type.Object(
  {
    phase: Type.Enum(['Warming', 'Rolling', 'Pausing', 'Idle']),
    since: Type.String({ format: 'date-time' }),
    service: Type.Optional(Type.String({ description: 'Its kind, namespace and name, between slashes.' })),
  },
  { ...closed, description: 'The current step of adoption, which adopts one service at a time.' },
)

export const policyStatusSchema = Type.Object(
  {
    adoption: Type.Optional(adoption),
    services: Type.Optional(Type.Integer({ description: 'How many services this policy governs.' })),
    conditions: Type.Optional(
      Type.Array(condition, {
        description: 'Accepted, Adopted, Conflicts, Prewarmed, RuntimesMissing, ScopeLimited.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['type'],
      }),
    ),
  },
  closed,
)

export type PolicyStatus = Type.Static<typeof policyStatusSchema>
export type AdoptionStatus = Type.Static<typeof adoption>
export type PolicyCondition = Type.Static<typeof condition>
export type PolicySpec = Type.Static<typeof policySpecSchema>
export type PolicySource = Type.Static<typeof source>
export type FillPolicy = Type.Static<typeof fill>
export type GpuPolicy = Type.Static<typeof gpu>
export type LabelSelector = Type.Static<ReturnType<typeof labelSelector>>
