import Type, { type TObject, type TSchema } from 'typebox'
import { stringify } from 'yaml'

/* The values of the Helm chart. values.yaml, values.schema.json and the table in the chart's README follow from it. */

const object = (description: string, properties: { [name: string]: TSchema }) =>
  Type.Object(properties, { description, additionalProperties: false })
const text = (description: string, value = '') => Type.String({ description, default: value })
const flag = (description: string, value: boolean) => Type.Boolean({ description, default: value })
/** What Kubernetes validates: a part of a pod, labels, … */
const free = (description: string, value: object = {}) =>
  Type.Object({}, { description, default: value, additionalProperties: true })
const texts = (description: string) => Type.Array(Type.String(), { description, default: [] })
const objects = (description: string) =>
  Type.Array(Type.Object({}, { additionalProperties: true }), { description, default: [] })
const choice = (description: string, values: string[]) =>
  Type.Unsafe<string>({ type: 'string', enum: values, description, default: values[0] })
const port = (description: string, value: number) =>
  Type.Integer({ description, default: value, minimum: 1, maximum: 65_535 })

export const valuesSchema = object('The values of the chart warmgate.', {
  image: object('The image of Warmgate.', {
    repository: text('Where the image is, without its tag.', 'warmgate'),
    tag: text("Its tag. Empty: the chart's appVersion."),
    digest: text('Its digest (`sha256:…`), in place of the tag.'),
    pullPolicy: choice('When the kubelet pulls it.', ['IfNotPresent', 'Always', 'Never']),
  }),
  imagePullSecrets: objects('Secrets with which the image is pulled: `- name: …`.'),
  replicas: Type.Integer({
    description: 'Replicas. One of them leads; each answers reviews.',
    default: 2,
    minimum: 1,
  }),
  scope: choice(
    'Which namespaces the API server sends: those with the label (`OptIn`), or all that did not opt out (`Cluster`).',
    ['OptIn', 'Cluster'],
  ),
  kserveNamespace: text("The namespace of KServe's ConfigMap. Empty: it is looked for in the usual ones."),
  excludeNamespaces: texts('Further namespaces in which nothing is ever accelerated.'),
  certificates: object('The serving certificate of the webhook.', {
    source: choice(
      'Who issues it: Warmgate itself, cert-manager, or you, in a Secret of type kubernetes.io/tls.',
      ['BuiltIn', 'CertManager', 'Secret'],
    ),
    secretName: text('The Secret that is mounted, unless the source is `BuiltIn`.', 'warmgate-serving'),
  }),
  crds: object('The CRD of AccelerationPolicy.', {
    install: flag('Install it with the chart.', true),
    keep: flag('Keep it, and all policies, when the chart is uninstalled.', true),
  }),
  policies: objects('AccelerationPolicies to install: each with `name` and `spec`. See docs/policy.md.'),
  cacheSecrets: object('Secrets that Warmgate writes for caches: see components/cache-secrets.', {
    namespaces: texts('The namespaces in which it may.'),
  }),
  mirrorFills: object('Jobs that fill mirrors: see components/mirror-fills.', {
    namespaces: texts('The namespaces in which Warmgate may create them.'),
  }),
  resources: free('Requests and limits of a replica.', {
    requests: { cpu: '100m', memory: '192Mi' },
    limits: { memory: '512Mi' },
  }),
  maxOldSpaceMiB: Type.Integer({
    description: "V8's old space, well below the memory limit.",
    default: 320,
    minimum: 64,
  }),
  nodeSelector: free('Nodes that the replicas run on.'),
  tolerations: objects('Taints that the replicas tolerate.'),
  affinity: free('Affinity of the replicas, besides their spread over nodes and zones.'),
  priorityClassName: text('Priority of the replicas.', 'system-cluster-critical'),
  podLabels: free('Further labels of the replicas.'),
  podAnnotations: free('Annotations of the replicas.'),
  podSecurityContext: free(
    'Security context of the pods. On OpenShift: without `runAsUser` and `runAsGroup`.',
    {
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  ),
  extraArgs: texts('Further flags of `warmgate serve`.'),
  extraEnv: objects('Further environment variables.'),
  podDisruptionBudget: object('How many replicas a drain may evict.', {
    maxUnavailable: Type.Integer({ description: 'At most this many at a time.', default: 1, minimum: 1 }),
  }),
  networkPolicy: object('Who may connect to the replicas.', {
    enabled: flag('Limit connections to the replicas.', true),
    egress: object('Connections from the replicas: see components/egress.', {
      enabled: flag('Limit them to DNS and the API server.', false),
      apiServerPort: port("The port of the API server's endpoints.", 6443),
    }),
  }),
  metrics: object('For Prometheus and Grafana.', {
    serviceMonitor: object('For the Prometheus Operator.', {
      enabled: flag('Create a ServiceMonitor.', false),
      interval: text('How often Prometheus scrapes.', '30s'),
      labels: free('Labels by which Prometheus selects it.'),
    }),
    rules: object('Recording and alert rules.', {
      enabled: flag('Create a PrometheusRule.', false),
      labels: free('Labels by which Prometheus selects it.'),
      runbookUrl: text('Where the page of runbooks is; an alert adds its name.', 'docs/runbooks/alerts.md'),
    }),
    dashboard: object('The Grafana dashboard.', {
      enabled: flag("Create a ConfigMap for Grafana's sidecar.", false),
      labels: free('Labels by which the sidecar selects it.', { grafana_dashboard: '1' }),
    }),
  }),
})

type Value = string | number | boolean | object

function defaultOf(schema: TSchema): Value {
  const { default: value, properties } = schema as unknown as {
    default?: Value
    properties?: TObject['properties']
  }
  if (value !== undefined) return value
  return Object.fromEntries(Object.entries(properties ?? {}).map(([name, each]) => [name, defaultOf(each)]))
}

function descriptionOf(schema: TSchema): string {
  return (schema as unknown as { description: string }).description
}

const isSection = (schema: TSchema): schema is TObject =>
  !('default' in schema) && Object.keys((schema as TObject).properties ?? {}).length > 0

/** values.yaml, with a comment above each value. */
export function valuesText(): string {
  return ['# Generated from manifests/values.ts by `npm run manifests`.', ...linesOf(valuesSchema, '')]
    .join('\n')
    .concat('\n')
}

function linesOf({ properties }: TObject, indent: string): string[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const comment = `${indent}# ${descriptionOf(schema)}`
    if (isSection(schema)) return [comment, `${indent}${name}:`, ...linesOf(schema, `${indent}  `)]
    const value = stringify({ [name]: defaultOf(schema) }).trimEnd()
    return [comment, ...value.split('\n').map((line) => `${indent}${line}`)]
  })
}

export function valuesJsonSchema(): string {
  const schema = { $schema: 'http://json-schema.org/draft-07/schema#', ...withGlobal(valuesSchema) }
  return `${JSON.stringify(schema, null, 2)}\n`
}

/** Helm adds `global` to the values of every chart; a value that is an object or empty may be left out or null. */
function withGlobal(schema: TObject): object {
  const plain = JSON.parse(JSON.stringify(optional(schema)))
  return { ...plain, properties: { ...plain.properties, global: { type: 'object' } } }
}

function optional(schema: TSchema): object {
  const {
    required: _,
    properties,
    ...rest
  } = schema as unknown as { required?: string[]; properties?: object }
  const all = Object.entries(properties ?? {}).map(([name, each]) => [name, optional(each)])
  return all.length === 0 ? rest : { ...rest, properties: Object.fromEntries(all) }
}

/** The rows of the README's table: value, default, meaning. */
export function valueRows(): string[][] {
  return rowsOf(valuesSchema, '')
}

function rowsOf({ properties }: TObject, prefix: string): string[][] {
  return Object.entries(properties).flatMap(([name, schema]) =>
    isSection(schema)
      ? rowsOf(schema, `${prefix}${name}.`)
      : [[`\`${prefix}${name}\``, `\`${JSON.stringify(defaultOf(schema))}\``, meaningOf(schema)]],
  )
}

function meaningOf(schema: TSchema): string {
  const choices = (schema as unknown as { enum?: string[] }).enum
  const one = choices === undefined ? '' : ` One of ${choices.map((each) => `\`${each}\``).join(', ')}.`
  return `${descriptionOf(schema)}${one}`
}
