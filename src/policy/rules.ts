import { Environment } from '@marcbachmann/cel-js'
import { durationPattern } from '../values/duration.ts'
import { cpuFormats } from '../values/formats.ts'
import { isObject, type Json, listAt } from '../values/object.ts'
import { sizePattern } from '../values/size.ts'

/**
 * A rule that the schema cannot express, in CEL: the API server evaluates it for a cluster, and `brokenRules`
 * for files. The tests run the cases of rules.fixture.ts against both.
 */
export interface Rule {
  /** Field names from the spec, with `[]` for list elements; the empty path is the spec. */
  path: string
  /** `self` is the value at the path, with defaults set. */
  cel: string
  /** Says what is valid. */
  message: string
}

const fractionPattern = '^(0(\\.[0-9]+)?|1(\\.0+)?)$'
const prefixPattern = '^[a-z][a-z0-9+.-]*://'
const namespacePattern = '^([^$]|\\$\\(namespace\\)/)*$'
const labelKeyPattern = '^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$'
const subdomainPattern = '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$'
const namePattern = '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$'
const devicePattern = '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$'
const credentialPattern = '(?i:secret|password|token|accesskey|credential|aws\\.secretkey)'
const pathPattern = '^(/[A-Za-z0-9][A-Za-z0-9._-]*)+/?$'
// Directories that the node, its kubelet and its container runtime need. Memory caches use shared memory.
const systemPattern =
  '^/(bin|boot|dev|etc|lib|lib64|proc|root|run|sbin|sys|usr|var/lib/(containerd|docker|etcd|kubelet)|var/log|var/run)(/|$)|^/var/?$'
const sharedMemoryPattern = '^/dev/shm(/|$)'
const zeroPattern = '^(0+(ms|s|m|h))+$'

const months = 'jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec'
const weekdays = 'sun|mon|tue|wed|thu|fri|sat'
const cronFields = [
  '[0-5]?[0-9]',
  '[01]?[0-9]|2[0-3]',
  '0?[1-9]|[12][0-9]|3[01]',
  `0?[1-9]|1[0-2]|${months}|${months.toUpperCase()}`,
  `0?[0-6]|${weekdays}|${weekdays.toUpperCase()}`,
].map((value) => {
  const range = `([*?]|(${value})(-(${value}))?)(/[1-9][0-9]*)?`
  return `${range}(,${range})*`
})
// The syntax of Kubernetes CronJobs, without macros such as @daily. Empty means no schedule.
const cronPattern = `^(${cronFields.join(' +')})?$`

/** A pattern as a rule, because the API server's own error would show only the pattern. */
function form(path: string, pattern: string, message: string): Rule {
  return { path, cel: celMatches('self', pattern), message }
}

function celMatches(text: string, pattern: string): string {
  return `${text}.matches('${pattern.replaceAll('\\', '\\\\')}')`
}

function selectorRules(path: string): Rule[] {
  return [
    form(
      `${path}.matchExpressions[].key`,
      labelKeyPattern,
      'use the key of a label, e.g. team or example.com/team',
    ),
    {
      path: `${path}.matchExpressions[]`,
      cel: "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
      message: 'In and NotIn need values; Exists and DoesNotExist have none',
    },
  ]
}

const lowShare = "(has(self.low) ? self.low : '0')"
const highShare = "(has(self.high) ? self.high : '1')"
const components = ['master', 'worker', 'fuse']

/** The paths that a tier names, in CEL. */
function tierPaths(tier: string): string {
  return `(has(${tier}.paths) ? ${tier}.paths : has(${tier}.path) ? [${tier}.path] : [])`
}

function pathRules(path: string): Rule[] {
  return [
    form(path, pathPattern, 'use an absolute path without .., e.g. /mnt/ssd0/cache'),
    {
      path,
      cel: `!${celMatches('self', systemPattern)} || ${celMatches('self', sharedMemoryPattern)}`,
      message:
        'use a directory outside of the system directories of the node, e.g. /mnt/ssd0/cache or /dev/shm',
    },
  ]
}

const cacheRules: Rule[] = [
  form('cache.retain', durationPattern, 'use a duration, e.g. 0s, 30m or 24h'),
  form(
    'cache.tieredStore[].quota',
    sizePattern,
    'use a whole quantity of bytes, e.g. 50Gi: what each worker may keep',
  ),
  form('cache.tieredStore[].high', fractionPattern, 'use a share of the quota from "0" to "1", e.g. "0.95"'),
  form('cache.tieredStore[].low', fractionPattern, 'use a share of the quota from "0" to "1", e.g. "0.7"'),
  {
    path: 'cache.tieredStore[]',
    cel: [
      '!has(self.low) && !has(self.high)',
      `!${celMatches(lowShare, fractionPattern)} || !${celMatches(highShare, fractionPattern)}`,
      `double(${lowShare}) < double(${highShare})`,
    ].join(' || '),
    message: 'low must be below high: eviction starts at high and stops at low',
  },
  ...['path', 'paths[]'].flatMap((field) => pathRules(`cache.tieredStore[].${field}`)),
  {
    path: 'cache.tieredStore[]',
    cel: '!has(self.path) || !has(self.paths)',
    message: 'name either path or paths',
  },
  {
    path: 'cache.tieredStore[]',
    cel: "!has(self.paths) || size(self.paths) == 1 || (self.medium != 'MEM' && (!has(self.volumeType) || self.volumeType == 'hostPath'))",
    message: 'several paths are several disks: memory and an emptyDir have one',
  },
  {
    path: 'cache.tieredStore',
    cel: 'self.all(a, self.exists_one(b, b.medium == a.medium))',
    message: 'give each tier a medium of its own; several disks of one medium are the paths of one tier',
  },
  {
    path: 'cache.tieredStore',
    cel: `self.all(a, ${tierPaths('a')}.all(path, self.exists_one(b, path in ${tierPaths('b')})))`,
    message: 'give each tier paths of its own',
  },
  ...components.map((name) => ({
    path: `cache.resources.${name}`,
    cel: '!has(self.limits) || (has(self.limits.cpu) && has(self.limits.memory))',
    message: 'limits need both cpu and memory: Fluid writes a missing one as 0',
  })),
  ...[...components.map((name) => `cache.resources.${name}`), 'warmup.resources'].flatMap((path) =>
    ['requests', 'limits'].map((kind) =>
      form(`${path}.${kind}.memory`, sizePattern, 'use a whole quantity of bytes, e.g. 4Gi'),
    ),
  ),
  {
    path: 'cache.template',
    cel: '!has(self.replicas) && !has(self.tieredstore)',
    message:
      'set cache.replicas and cache.tieredStore instead: a template is for fields that a policy does not have',
  },
  {
    path: 'cache.template',
    cel: '!has(self.apiVersion) && !has(self.kind) && !has(self.metadata) && !has(self.spec)',
    message: "write the fields of the Runtime's spec, without the Runtime around it, e.g. {master: {…}}",
  },
  {
    path: 'cache.template',
    cel: '!has(self.profileName) && !has(self.runtimeClassName)',
    message: 'name the profile in sources[].profile instead',
  },
  {
    path: 'cache.template',
    cel: '!has(self.mounts) && !has(self.placement) && !has(self.accessModes)',
    message:
      "a template is for the Runtime; what the Dataset mounts, and how, follows from the service's model",
  },
]

const sourceRules: Rule[] = [
  {
    path: 'sources[]',
    cel: "!(self.runtime in ['Thin', 'Cache']) || has(self.profile)",
    message: 'Thin and Cache need a profile: the name of a ThinRuntimeProfile or a CacheRuntimeClass',
  },
  form('sources[].match[]', prefixPattern, 'begin with a scheme, e.g. "s3://models/" or "oss://"'),
  {
    path: 'sources[].match[]',
    cel: celMatches('self', namespacePattern),
    message:
      'end $(namespace) with a /, as in "s3://models/$(namespace)/": otherwise team-a could read the models of team-ab',
  },
  {
    path: 'sources[].match[]',
    cel: "!self.contains('/..')",
    message: 'remove .. from the prefix: URIs with .. are never accelerated',
  },
  {
    path: 'sources[].options',
    cel: `self.all(name, !${celMatches('name', credentialPattern)})`,
    message:
      'options are visible to all who read the Dataset: name a Secret in credentials.secretName instead of a credential here',
  },
  form(
    'sources[].credentials.secretName',
    subdomainPattern,
    "use the name of a Secret in the service's own namespace: lower case letters, digits, - and .",
  ),
  {
    path: 'sources[].credentials',
    cel: '!has(self.identity) || (!has(self.keys) && !has(self.secretName))',
    message: 'identity: Node is for sources without credentials: remove secretName and keys',
  },
  ...['namespace', 'name'].map((field) =>
    form(
      `sources[].dataset.${field}`,
      namePattern,
      `use the ${field} of a Dataset: lower case letters, digits and -`,
    ),
  ),
  {
    path: 'sources[]',
    cel: `!has(self.dataset) || (${[
      "self.runtime == 'Auto' && self.mirror == '' && self.files == 'Skip' && size(self.options) == 0",
      '!has(self.profile) && !has(self.credentials.keys) && !has(self.credentials.secretName) && !has(self.credentials.identity)',
    ].join(' && ')})`,
    message: 'set only match beside dataset: the named Dataset decides how the sources are read',
  },
]

const accountPattern = '^(Own|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$'
const imagePattern = '^[a-z0-9]([A-Za-z0-9._/:@-]*[A-Za-z0-9])?$'
// The stores that a fill can write.
const stores = ['s3', 'gs', 'oss', 'cos', 'obs', 'pvc']

const fillRules: Rule[] = [
  {
    path: 'sources[]',
    cel: `!has(self.fill) || [${stores.map((scheme) => `'${scheme}://'`).join(', ')}].exists(scheme, self.mirror.startsWith(scheme))`,
    message: 'fill needs a mirror that can be written: s3://, gs://, oss://, cos://, obs:// or pvc://',
  },
  form('sources[].fill.timeout', durationPattern, 'use a duration, e.g. 30m or 2h'),
  form('sources[].fill.scratch.size', sizePattern, 'use a whole quantity of bytes, e.g. 200Gi'),
  form(
    'sources[].fill.serviceAccount',
    accountPattern,
    "use Own, or the name of a service account in the service's namespace",
  ),
  form(
    'sources[].fill.scratch.storageClassName',
    subdomainPattern,
    'use the name of a StorageClass: lower case letters, digits, - and .',
  ),
  form('sources[].fill.image', imagePattern, 'use the name of an image, e.g. rclone/rclone:1.69.3'),
  form(
    'sources[].fill.credentials.secretName',
    subdomainPattern,
    "use the name of a Secret in the service's own namespace: lower case letters, digits, - and .",
  ),
  ...['requests', 'limits'].map((kind) =>
    form(`sources[].fill.resources.${kind}.memory`, sizePattern, 'use a whole quantity of bytes, e.g. 4Gi'),
  ),
]

const referenceRules: Rule[] = [
  {
    path: '',
    cel: [
      "!has(self.cache) || !has(self.cache.fuse) || self.cache.fuse != 'Sidecar'",
      '!has(self.sources) || !self.sources.exists(source, has(source.dataset))',
    ].join(' || '),
    message:
      'cache.fuse: Sidecar cannot serve sources[].dataset: the Secrets of that Dataset are not in the namespace of the pods',
  },
]

const adoptRules: Rule[] = ['adopt.pause', 'adopt.timeout'].map((path) =>
  form(path, durationPattern, 'use a duration, e.g. 90s, 30m or 1h30m'),
)

// The API server also checks the spec's own default, before it sets the defaults of its fields.
const holdRules: Rule[] = [
  form(
    'warmup.schedule',
    cronPattern,
    'use a cron of five fields (minute, hour, day of the month, month, day of the week), e.g. "0 3 * * *"',
  ),
  ...['warmup.timeout', 'warmup.boundTimeout'].map((path) =>
    form(path, durationPattern, 'use a duration, e.g. 90s, 30m or 1h30m'),
  ),
  {
    path: '',
    cel: [
      '!has(self.hold) || !has(self.hold.onTimeout) || !has(self.warmup) || !has(self.warmup.timeout)',
      `self.hold.onTimeout != 'Keep' || !${celMatches('self.warmup.timeout', zeroPattern)}`,
    ].join(' || '),
    message: 'hold.onTimeout: Keep needs a warmup.timeout above 0s, or hold.at: None for no hold',
  },
  {
    path: '',
    cel: "self.?warmup.enabled.orValue(true) || !('Keep' in [self.?hold.onTimeout.orValue(''), self.?hold.onFailure.orValue('')])",
    message:
      'hold: Keep needs a warm-up to wait for: set warmup.enabled: true, or onTimeout and onFailure: Serve',
  },
]

function tolerationRules(path: string): Rule[] {
  return [
    {
      path: `${path}[]`,
      cel: "!has(self.value) || (has(self.operator) ? self.operator : 'Equal') == 'Equal'",
      message: 'Exists takes no value',
    },
    {
      path: `${path}[]`,
      cel: "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
      message: 'name a key, or use operator: Exists to tolerate every taint',
    },
    {
      path: `${path}[]`,
      cel: "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
      message: 'tolerationSeconds needs effect: NoExecute',
    },
  ]
}

const gpuRules: Rule[] = [
  {
    path: 'gpu.when.modelFormats[]',
    cel: `!(self.lowerAscii() in [${cpuFormats.map((format) => `'${format}'`).join(', ')}])`,
    message: `name formats that can use a GPU, e.g. huggingface; these run on CPUs: ${cpuFormats.join(', ')}`,
  },
  {
    path: 'gpu.resources',
    cel: 'size(self) > 0',
    message: 'name what to add, e.g. nvidia.com/gpu: 1; leave gpu out to add nothing',
  },
  {
    path: 'gpu.resources',
    cel: `self.all(name, ${celMatches('name', devicePattern)})`,
    message: 'name devices with their domain, e.g. nvidia.com/gpu; CPU and memory are set in the service',
  },
]

export const rules: Rule[] = [
  form('limits.cacheSize', sizePattern, 'use a whole quantity of bytes, e.g. 500Gi'),
  form('limits.holdTimeout', durationPattern, 'use a duration, e.g. 90s, 30m or 1h30m'),
  ...selectorRules('namespaceSelector'),
  ...selectorRules('serviceSelector'),
  ...selectorRules('gpu.when.selector'),
  ...sourceRules,
  ...fillRules,
  ...referenceRules,
  ...cacheRules,
  ...holdRules,
  ...adoptRules,
  ...gpuRules,
  ...tolerationRules('gpu.tolerations'),
  ...tolerationRules('cache.tolerations'),
]

const environment = new Environment({ unlistedVariablesAreDyn: true, enableOptionalTypes: true })
const programs = rules.map(({ cel }) => environment.parse(cel))

/** The rules that a spec with defaults breaks: `spec.warmup.timeout: use a duration, …`. */
export function brokenRules(spec: Json): string[] {
  return rules.flatMap(({ path, message }, index) =>
    valuesAt(spec, path)
      .filter(({ value }) => programs[index]?.({ self: asMaps(value) }) !== true)
      .map(({ place }) => `spec${place}: ${message}`),
  )
}

/** Maps in place of objects: the library takes an object with a field `constructor` for one of another class. */
function asMaps(value: Json | undefined): unknown {
  if (Array.isArray(value)) return value.map(asMaps)
  if (!isObject(value)) return value
  return new Map(Object.entries(value).map(([name, inner]) => [name, asMaps(inner)]))
}

/** The values at a rule's path, each with its place; none if a field is absent. */
function valuesAt(spec: Json, path: string): { place: string; value: Json }[] {
  let found = [{ place: '', value: spec }]
  for (const step of path.split(/\.|(?=\[\])/).filter((each) => each !== '')) {
    found = found.flatMap(({ place, value }) => {
      if (step === '[]')
        return listAt(value).map((item, index) => ({ place: `${place}.${index}`, value: item }))
      const inner = isObject(value) ? value[step] : undefined
      return inner === undefined ? [] : [{ place: `${place}.${step}`, value: inner }]
    })
  }
  return found
}
