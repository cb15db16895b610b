import type { JsonObject } from '../values/object.ts'

/** A spec that breaks exactly one rule, with the expected path and message. */
export interface BrokenSpec {
  spec: JsonObject
  place: string
  says: string
}

const tier = (fields: JsonObject, ...others: JsonObject[]): JsonObject => ({
  cache: { tieredStore: [fields, ...others] },
})
const source = (fields: JsonObject): JsonObject => ({ sources: [{ match: ['s3://'], ...fields }] })
const gpu = (fields: JsonObject): JsonObject => ({ gpu: { resources: { 'nvidia.com/gpu': 1 }, ...fields } })
const expression = (selector: string, fields: JsonObject): JsonObject => ({
  [selector]: { matchExpressions: [fields] },
})

const lowBelowHigh = 'low must be below high: eviction starts at high and stops at low'

/** An invalid path, as the only path and as one of several. */
const placedTier = (path: string, says: string): BrokenSpec[] => [
  { spec: tier({ path }), place: 'spec.cache.tieredStore[0].path', says },
  { spec: tier({ paths: ['/mnt/a', path] }), place: 'spec.cache.tieredStore[0].paths[1]', says },
]

const notACron = (schedule: string): BrokenSpec => ({
  spec: { warmup: { schedule } },
  place: 'spec.warmup.schedule',
  says: 'use a cron of five fields (minute, hour, day of the month, month, day of the week), e.g. "0 3 * * *"',
})

/** Breaks every rule at least once. The API server and `warmgate plan` must return the same messages. */
export const brokenSpecs: BrokenSpec[] = [
  ...['pause', 'timeout'].map((field) => ({
    spec: { adopt: { [field]: 'soon' } },
    place: `spec.adopt.${field}`,
    says: 'use a duration, e.g. 90s, 30m or 1h30m',
  })),
  ...['namespaceSelector', 'serviceSelector'].flatMap((selector) => [
    {
      spec: expression(selector, { key: 'not a key', operator: 'Exists' }),
      place: `spec.${selector}.matchExpressions[0].key`,
      says: 'use the key of a label, e.g. team or example.com/team',
    },
    ...[
      { key: 'team', operator: 'In' },
      { key: 'team', operator: 'NotIn', values: [] },
      { key: 'team', operator: 'Exists', values: ['a'] },
      { key: 'team', operator: 'DoesNotExist', values: ['a'] },
    ].map((fields) => ({
      spec: expression(selector, fields),
      place: `spec.${selector}.matchExpressions[0]`,
      says: 'In and NotIn need values; Exists and DoesNotExist have none',
    })),
  ]),
  {
    spec: gpu({ when: { selector: { matchExpressions: [{ key: 'a b', operator: 'Exists' }] } } }),
    place: 'spec.gpu.when.selector.matchExpressions[0].key',
    says: 'use the key of a label, e.g. team or example.com/team',
  },
  {
    spec: source({ fill: {} }),
    place: 'spec.sources[0]',
    says: 'fill needs a mirror that can be written: s3://, gs://, oss://, cos://, obs:// or pvc://',
  },
  {
    spec: source({ fill: {}, mirror: 'juicefs://volume/' }),
    place: 'spec.sources[0]',
    says: 'fill needs a mirror that can be written: s3://, gs://, oss://, cos://, obs:// or pvc://',
  },
  ...Object.entries({
    'fill.timeout': [{ timeout: 'long' }, 'use a duration, e.g. 30m or 2h'],
    'fill.scratch.size': [{ scratch: { size: 'large' } }, 'use a whole quantity of bytes, e.g. 200Gi'],
    'fill.scratch.storageClassName': [
      { scratch: { storageClassName: 'Fast!' } },
      'use the name of a StorageClass: lower case letters, digits, - and .',
    ],
    'fill.serviceAccount': [
      { serviceAccount: 'own!' },
      "use Own, or the name of a service account in the service's namespace",
    ],
    'fill.image': [{ image: 'rclone; rm' }, 'use the name of an image, e.g. rclone/rclone:1.69.3'],
    'fill.credentials.secretName': [
      { credentials: { secretName: 'Keys' } },
      "use the name of a Secret in the service's own namespace: lower case letters, digits, - and .",
    ],
    'fill.resources.requests.memory': [
      { resources: { requests: { memory: 'much' } } },
      'use a whole quantity of bytes, e.g. 4Gi',
    ],
    'fill.resources.limits.memory': [
      { resources: { limits: { memory: 'much' } } },
      'use a whole quantity of bytes, e.g. 4Gi',
    ],
  } satisfies { [place: string]: [JsonObject, string] }).map(([place, [fill, says]]) => ({
    spec: source({ mirror: 's3://mirror/', fill }),
    place: `spec.sources[0].${place}`,
    says,
  })),
  {
    spec: gpu({ when: { selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } } }),
    place: 'spec.gpu.when.selector.matchExpressions[0]',
    says: 'In and NotIn need values; Exists and DoesNotExist have none',
  },
  ...['', 'models/', 'S3://models'].map((prefix) => ({
    spec: source({ match: [prefix] }),
    place: 'spec.sources[0].match[0]',
    says: 'begin with a scheme, e.g. "s3://models/" or "oss://"',
  })),
  ...['s3://models/$(namespace)', 's3://$(namespace)-x/', 's3://$(service)/', 's3://$x/'].map((prefix) => ({
    spec: source({ match: [prefix] }),
    place: 'spec.sources[0].match[0]',
    says: 'end $(namespace) with a /, as in "s3://models/$(namespace)/": otherwise team-a could read the models of team-ab',
  })),
  {
    spec: source({ match: ['gs://', 's3://models/../secrets'] }),
    place: 'spec.sources[0].match[1]',
    says: 'remove .. from the prefix: URIs with .. are never accelerated',
  },
  ...['fs.oss.accessKeyId', 'aws.secretKey', 'X-Token', 'PASSWORD'].map((option) => ({
    spec: source({ options: { [option]: 'x' } }),
    place: 'spec.sources[0].options',
    says: 'options are visible to all who read the Dataset: name a Secret in credentials.secretName instead of a credential here',
  })),
  ...['Keys', 'a/b', ''].map((secretName) => ({
    spec: source({ credentials: { secretName } }),
    place: 'spec.sources[0].credentials.secretName',
    says: "use the name of a Secret in the service's own namespace: lower case letters, digits, - and .",
  })),
  ...[{ secretName: 's3-access' }, { keys: { 'access-key': 'KEY' } }].map((fields) => ({
    spec: source({ credentials: { identity: 'Node', ...fields } }),
    place: 'spec.sources[0].credentials',
    says: 'identity: Node is for sources without credentials: remove secretName and keys',
  })),
  ...['Shared', 'a.b', 'a/b', '', '$(namespace)'].flatMap((word) =>
    ['namespace', 'name'].map((field) => ({
      spec: source({ dataset: { namespace: 'shared', name: 'models', [field]: word } }),
      place: `spec.sources[0].dataset.${field}`,
      says: `use the ${field} of a Dataset: lower case letters, digits and -`,
    })),
  ),
  ...[
    { runtime: 'Jindo' },
    { mirror: 's3://mirror/' },
    { files: 'Parent' },
    { options: { 'fs.s3.region': 'x' } },
    { profile: 'p' },
    { credentials: { secretName: 's3-access' } },
    { credentials: { keys: { 'access-key': 'KEY' } } },
    { credentials: { identity: 'Node' } },
  ].map((fields) => ({
    spec: source({ dataset: { namespace: 'shared', name: 'models' }, ...fields }),
    place: 'spec.sources[0]',
    says: 'set only match beside dataset: the named Dataset decides how the sources are read',
  })),
  {
    spec: { cache: { fuse: 'Sidecar' }, ...source({ dataset: { namespace: 'shared', name: 'models' } }) },
    place: 'spec',
    says: 'cache.fuse: Sidecar cannot serve sources[].dataset: the Secrets of that Dataset are not in the namespace of the pods',
  },
  {
    spec: { limits: { holdTimeout: 'long' } },
    place: 'spec.limits.holdTimeout',
    says: 'use a duration, e.g. 90s, 30m or 1h30m',
  },
  {
    spec: { limits: { cacheSize: 'much' } },
    place: 'spec.limits.cacheSize',
    says: 'use a whole quantity of bytes, e.g. 500Gi',
  },
  ...['1.5Gi', '0', '50 Gi', '50GB'].map((quota) => ({
    spec: tier({ quota }),
    place: 'spec.cache.tieredStore[0].quota',
    says: 'use a whole quantity of bytes, e.g. 50Gi: what each worker may keep',
  })),
  {
    spec: tier({ high: '1.5' }),
    place: 'spec.cache.tieredStore[0].high',
    says: 'use a share of the quota from "0" to "1", e.g. "0.95"',
  },
  {
    spec: tier({ low: '70%' }),
    place: 'spec.cache.tieredStore[0].low',
    says: 'use a share of the quota from "0" to "1", e.g. "0.7"',
  },
  ...[
    { low: '0.95', high: '0.7' },
    { low: '0.70', high: '0.7' },
    { low: '1', high: '1.0' },
  ].map((fields) => ({
    spec: tier(fields),
    place: 'spec.cache.tieredStore[0]',
    says: lowBelowHigh,
  })),
  { spec: tier({ high: '0' }), place: 'spec.cache.tieredStore[0]', says: lowBelowHigh },
  { spec: tier({ low: '1' }), place: 'spec.cache.tieredStore[0]', says: lowBelowHigh },
  ...['mnt', '/', '/mnt/../etc', '/mnt//cache', '', '/mnt/a,/mnt/b', '/mnt/a:/mnt/b'].flatMap((path) =>
    placedTier(path, 'use an absolute path without .., e.g. /mnt/ssd0/cache'),
  ),
  ...['/etc', '/etc/kubernetes', '/var/lib/kubelet/pods', '/var', '/proc/1', '/dev/sda'].flatMap((path) =>
    placedTier(
      path,
      'use a directory outside of the system directories of the node, e.g. /mnt/ssd0/cache or /dev/shm',
    ),
  ),
  {
    spec: tier({ path: '/mnt/a', paths: ['/mnt/b'] }),
    place: 'spec.cache.tieredStore[0]',
    says: 'name either path or paths',
  },
  ...[{ medium: 'MEM' }, { volumeType: 'emptyDir' }].map((fields) => ({
    spec: tier({ paths: ['/mnt/a', '/mnt/b'], ...fields }),
    place: 'spec.cache.tieredStore[0]',
    says: 'several paths are several disks: memory and an emptyDir have one',
  })),
  {
    spec: tier({ path: '/mnt/a' }, { path: '/mnt/b' }),
    place: 'spec.cache.tieredStore',
    says: 'give each tier a medium of its own; several disks of one medium are the paths of one tier',
  },
  ...[
    [{ path: '/mnt/a' }, { medium: 'HDD', path: '/mnt/a' }],
    [{ path: '/mnt/a' }, { medium: 'HDD', paths: ['/mnt/b', '/mnt/a'] }],
  ].map(([first = {}, second = {}]) => ({
    spec: tier(first, second),
    place: 'spec.cache.tieredStore',
    says: 'give each tier paths of its own',
  })),
  ...['master', 'worker', 'fuse'].flatMap((component) => [
    ...[{ cpu: 1 }, { memory: '4Gi' }].map((limits) => ({
      spec: { cache: { resources: { [component]: { limits } } } },
      place: `spec.cache.resources.${component}`,
      says: 'limits need both cpu and memory: Fluid writes a missing one as 0',
    })),
    ...[{ requests: { memory: '4 Gi' } }, { limits: { cpu: 1, memory: '1.5Gi' } }].map((amounts) => ({
      spec: { cache: { resources: { [component]: amounts } } } as JsonObject,
      place: `spec.cache.resources.${component}.${Object.keys(amounts)[0]}.memory`,
      says: 'use a whole quantity of bytes, e.g. 4Gi',
    })),
  ]),
  ...['requests', 'limits'].map((kind) => ({
    spec: { warmup: { resources: { [kind]: { memory: 'much' } } } },
    place: `spec.warmup.resources.${kind}.memory`,
    says: 'use a whole quantity of bytes, e.g. 4Gi',
  })),
  ...[{ replicas: 3 }, { tieredstore: { levels: [] } }].map((template) => ({
    spec: { cache: { template } },
    place: 'spec.cache.template',
    says: 'set cache.replicas and cache.tieredStore instead: a template is for fields that a policy does not have',
  })),
  ...[
    { spec: { fuse: {} } },
    { metadata: { labels: { a: 'b' } } },
    { kind: 'JindoRuntime' },
    { apiVersion: 'data.fluid.io/v1alpha1' },
  ].map((template) => ({
    spec: { cache: { template } } as JsonObject,
    place: 'spec.cache.template',
    says: "write the fields of the Runtime's spec, without the Runtime around it, e.g. {master: {…}}",
  })),
  ...[{ profileName: 'nfs' }, { runtimeClassName: 'curvine' }].map((template) => ({
    spec: { cache: { template } },
    place: 'spec.cache.template',
    says: 'name the profile in sources[].profile instead',
  })),
  ...[{ mounts: [] }, { placement: 'Exclusive' }, { accessModes: ['ReadWriteMany'] }].map((template) => ({
    spec: { cache: { template } } as JsonObject,
    place: 'spec.cache.template',
    says: "a template is for the Runtime; what the Dataset mounts, and how, follows from the service's model",
  })),
  ...['Thin', 'Cache'].map((runtime) => ({
    spec: { sources: [{ match: ['cubefs://'], runtime }] },
    place: 'spec.sources[0]',
    says: 'Thin and Cache need a profile: the name of a ThinRuntimeProfile or a CacheRuntimeClass',
  })),
  ...['7d', '-1h'].map((retain) => ({
    spec: { cache: { retain } },
    place: 'spec.cache.retain',
    says: 'use a duration, e.g. 0s, 30m or 24h',
  })),
  ...['1d', '90', '-5m', '1.5h', ''].map((timeout) => ({
    spec: { warmup: { timeout } },
    place: 'spec.warmup.timeout',
    says: 'use a duration, e.g. 90s, 30m or 1h30m',
  })),
  {
    spec: { warmup: { boundTimeout: '10' } },
    place: 'spec.warmup.boundTimeout',
    says: 'use a duration, e.g. 90s, 30m or 1h30m',
  },
  ...['0 3 * *', '0 3 * * * *', '60 3 * * *', '0 24 * * *', '* * 0 * *', '* * * 13 *', '* * * * 7'].map(
    notACron,
  ),
  ...['@daily', 'CRON_TZ=UTC 0 3 * * *', '*/0 * * * *', '0 3 * * *;'].map(notACron),
  ...['0s', '0h0m'].map((timeout) => ({
    spec: { warmup: { timeout }, hold: { onTimeout: 'Keep' } },
    place: 'spec',
    says: 'hold.onTimeout: Keep needs a warmup.timeout above 0s, or hold.at: None for no hold',
  })),
  ...['onTimeout', 'onFailure'].map((when) => ({
    spec: { warmup: { enabled: false }, hold: { [when]: 'Keep' } },
    place: 'spec',
    says: 'hold: Keep needs a warm-up to wait for: set warmup.enabled: true, or onTimeout and onFailure: Serve',
  })),
  ...['sklearn', 'XGBoost'].map((format) => ({
    spec: gpu({ when: { modelFormats: ['huggingface', format] } }),
    place: 'spec.gpu.when.modelFormats[1]',
    says: 'name formats that can use a GPU, e.g. huggingface; these run on CPUs: sklearn, xgboost, lightgbm, catboost, pmml, paddle',
  })),
  {
    spec: { gpu: { resources: {} } },
    place: 'spec.gpu.resources',
    says: 'name what to add, e.g. nvidia.com/gpu: 1; leave gpu out to add nothing',
  },
  ...['cpu', 'memory', '/gpu', 'nvidia.com/'].map((name) => ({
    spec: { gpu: { resources: { [name]: 1 } } },
    place: 'spec.gpu.resources',
    says: 'name devices with their domain, e.g. nvidia.com/gpu; CPU and memory are set in the service',
  })),
  ...['gpu', 'cache'].flatMap((field) => {
    const tolerating = (toleration: JsonObject) =>
      field === 'gpu' ? gpu({ tolerations: [toleration] }) : { cache: { tolerations: [toleration] } }
    const place = `spec.${field}.tolerations[0]`
    return [
      {
        spec: tolerating({ key: 'a', operator: 'Exists', value: 'b' }),
        place,
        says: 'Exists takes no value',
      },
      ...[{}, { operator: 'Equal', value: 'b' }, { key: '' }].map((toleration) => ({
        spec: tolerating(toleration),
        place,
        says: 'name a key, or use operator: Exists to tolerate every taint',
      })),
      ...[{}, { effect: 'NoSchedule' }].map((more) => ({
        spec: tolerating({ key: 'a', operator: 'Exists', tolerationSeconds: 60, ...more }),
        place,
        says: 'tolerationSeconds needs effect: NoExecute',
      })),
    ]
  }),
]

/** Valid specs that are close to breaking a rule. */
export const validSpecs: JsonObject[] = [
  { prewarm: [{ uris: ['hf://org/model:v1', 's3://b/m.joblib'], namespaces: ['team-a', 'b'] }] },
  source({ dataset: { namespace: 'shared', name: 'all-models' } }),
  {},
  source({ match: ['s3://models/$(namespace)/', 's3://$(namespace)/'] }),
  { limits: { cacheSize: '500Gi', cacheReplicas: 4, holdTimeout: '2h' } },
  expression('namespaceSelector', { key: 'example.com/team', operator: 'In', values: ['a', 'b'] }),
  expression('serviceSelector', { key: 'team', operator: 'DoesNotExist' }),
  source({
    match: ['s3://models/', 'oss://', 'https://account.blob.core.windows.net/models/', 's3://a..b/'],
  }),
  source({ options: { constructor: 'x', hasOwnProperty: 'y' } }),
  { cache: { template: { constructor: { image: 'x' } } } },
  source({ options: { 'fs.oss.endpoint': 'oss.example.com' }, credentials: { secretName: 's3.access-1' } }),
  tier({ quota: '2Ti', high: '1', low: '0' }),
  tier({ high: '0.95' }, { medium: 'HDD', path: '/data/cache', low: '0.99' }),
  tier({ medium: 'MEM', path: '/dev/shm' }),
  tier({ path: '/var/cache/models/' }),
  tier({ paths: ['/mnt/ssd0/cache', '/mnt/ssd1/cache'] }),
  tier({ paths: ['/mnt/a'], volumeType: 'emptyDir' }),
  tier({ medium: 'MEM' }, { paths: ['/mnt/a', '/mnt/b'] }, { medium: 'HDD', path: '/mnt/c' }),
  source({ match: ['gs://'], credentials: { identity: 'Node' } }),
  {
    cache: {
      resources: {
        master: { requests: { cpu: 1 } },
        worker: { requests: { cpu: '500m', memory: '8Gi' }, limits: { cpu: '2.5', memory: '16Gi' } },
      },
    },
    warmup: { resources: { limits: { memory: '1Gi' } } },
  },
  { sources: [{ match: ['cubefs://'], runtime: 'Thin', profile: 'cubefs' }] },
  { sources: [{ match: ['hf://', 'https://'], mirror: 'pvc://claim/$(namespace)/', fill: {} }] },
  {
    sources: [
      {
        match: ['hf://'],
        mirror: 's3://mirror/',
        fill: {
          mode: 'Always',
          sources: 'All',
          share: 'All',
          timeout: '2h',
          resources: { requests: { memory: '1Gi' }, limits: { memory: '2Gi' } },
          scratch: { size: '200Gi', storageClassName: 'fast' },
          serviceAccount: 'downloader',
          credentials: { secretName: 'mirror-writer' },
          image: 'registry.example.com:5000/rclone@sha256:00ff',
        },
      },
    ],
  },
  { cache: { template: { master: { replicas: 1 }, fuse: { args: ['-o'] } } } },
  { cache: { retain: '168h' } },
  ...['', '0 3 * * *', '*/15 0-6,22 1,15 * MON-FRI', '5/10 3 ? jan,jul 0'].map((schedule) => ({
    warmup: { schedule },
  })),
  { warmup: { timeout: '1h30m', retries: 0 }, hold: { onTimeout: 'Keep', onFailure: 'Keep' } },
  { warmup: { timeout: '0s' }, hold: { onFailure: 'Keep' } },
  { warmup: { enabled: false } },
  gpu({
    tolerations: [
      { key: 'a', value: 'b' },
      { operator: 'Exists' },
      { key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 },
    ],
  }),
]
