import { readFile } from 'node:fs/promises'
import { valueRows, valuesJsonSchema, valuesText } from './values.ts'

/*
 * The Helm chart is generated from manifests/base and its components: each template is one of their files, with edits
 * that insert values. An edit that does not find its text fails, so the chart cannot fall behind the base.
 */

interface Edit {
  from: string
  to: string
  /** How often the text is there; once by default. */
  times?: number
}

interface Template {
  /** Under manifests/. */
  source: string
  /** The condition under which it is rendered. */
  when?: string
  edits?: Edit[]
}

const labelled = (values: string): Edit => ({
  from: '    app.kubernetes.io/name: warmgate\nspec:',
  to: `    app.kubernetes.io/name: warmgate
    {{- with ${values} }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:`,
})

/** A field of the pod that is there only if its value is not empty. */
const optional = (name: string, value: string) =>
  `      {{- with .Values.${value} }}\n      ${name}: {{- toYaml . | nindent 8 }}\n      {{- end }}\n`

const optedIn = `      matchLabels:
        warmgate.dev/acceleration: enabled
      matchExpressions: `

const deploymentEdits = (version: string): Edit[] => [
  { from: '  replicas: 2\n', to: '  replicas: {{ .Values.replicas }}\n' },
  {
    from: `      labels:
        app.kubernetes.io/name: warmgate
    spec:
`,
    to: `      labels:
        app.kubernetes.io/name: warmgate
        {{- with .Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
${['imagePullSecrets', 'nodeSelector', 'tolerations', 'affinity'].map((name) => optional(name, name)).join('')}`,
  },
  {
    from: '      priorityClassName: system-cluster-critical\n',
    to: '      {{- with .Values.priorityClassName }}\n      priorityClassName: {{ . }}\n      {{- end }}\n',
  },
  {
    from: `      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
`,
    to: '      securityContext: {{- toYaml .Values.podSecurityContext | nindent 8 }}\n',
  },
  {
    from: `          image: warmgate:${version}
          imagePullPolicy: IfNotPresent
          args: [serve]
          env:
`,
    to: `          image: {{ include "warmgate.image" . }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          args:
            - serve
            {{- with .Values.kserveNamespace }}
            - --kserve-namespace={{ . }}
            {{- end }}
            {{- range .Values.excludeNamespaces }}
            - --exclude-namespace={{ . }}
            {{- end }}
            {{- if ne .Values.certificates.source "BuiltIn" }}
            - --cert-dir=/etc/warmgate/certificates
            {{- end }}
            {{- with .Values.extraArgs }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- if ne .Values.certificates.source "BuiltIn" }}
          volumeMounts:
            - name: certificates
              mountPath: /etc/warmgate/certificates
              readOnly: true
          {{- end }}
          env:
            {{- with .Values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
`,
  },
  {
    from: '--max-old-space-size=320 ',
    to: '--max-old-space-size={{ .Values.maxOldSpaceMiB }} ',
  },
  {
    from: `          resources:
            requests:
              cpu: 100m
              memory: 192Mi
            limits:
              memory: 512Mi
`,
    to: '          resources: {{- toYaml .Values.resources | nindent 12 }}\n',
  },
  {
    from: '              drop: [ALL]\n',
    to: `              drop: [ALL]
      {{- if ne .Values.certificates.source "BuiltIn" }}
      volumes:
        - name: certificates
          secret:
            secretName: {{ .Values.certificates.secretName }}
      {{- end }}
`,
  },
]

const webhook: Edit[] = [
  {
    from: 'metadata:\n  name: acceleration.warmgate.dev\n',
    to: `metadata:
  name: acceleration.warmgate.dev
  {{- if eq .Values.certificates.source "CertManager" }}
  annotations:
    cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/warmgate-serving
  {{- end }}
`,
  },
  {
    from: optedIn,
    to: `      {{- if eq .Values.scope "OptIn" }}
      matchLabels:
        warmgate.dev/acceleration: enabled
      {{- end }}
      matchExpressions: `,
    times: 3,
  },
  // An alias cannot be extended, so that each webhook has its own list.
  { from: 'matchExpressions: &exempt\n', to: 'matchExpressions:\n' },
  {
    from: '              cert-manager,\n            ]\n',
    to: `              cert-manager,
            ]
        {{- include "warmgate.optOut" . | nindent 8 }}
`,
  },
  {
    from: 'matchExpressions: *exempt\n',
    to: `matchExpressions:
        - key: kubernetes.io/metadata.name
          operator: NotIn
          values:
            [
              kserve,
              opendatahub,
              redhat-ods-applications,
              fluid-system,
              warmgate-system,
              knative-serving,
              knative-eventing,
              istio-system,
              cert-manager,
            ]
        {{- include "warmgate.optOut" . | nindent 8 }}
`,
    times: 2,
  },
]

const templatesOf = (version: string): Template[] => [
  {
    source: 'base/crd.yaml',
    when: '.Values.crds.install',
    edits: [
      {
        from: '  name: accelerationpolicies.warmgate.dev\n',
        to: `  name: accelerationpolicies.warmgate.dev
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
`,
      },
    ],
  },
  { source: 'base/rbac.yaml' },
  { source: 'base/account.yaml' },
  { source: 'base/networkpolicy.yaml', when: '.Values.networkPolicy.enabled' },
  {
    source: 'components/egress/networkpolicy.yaml',
    when: '.Values.networkPolicy.egress.enabled',
    edits: [{ from: 'port: 6443', to: 'port: {{ .Values.networkPolicy.egress.apiServerPort }}' }],
  },
  {
    source: 'base/poddisruptionbudget.yaml',
    edits: [
      { from: 'maxUnavailable: 1', to: 'maxUnavailable: {{ .Values.podDisruptionBudget.maxUnavailable }}' },
    ],
  },
  { source: 'base/service.yaml' },
  { source: 'base/deployment.yaml', edits: deploymentEdits(version) },
  { source: 'base/webhook.yaml', edits: webhook },
  {
    source: 'components/cert-manager/certificates.yaml',
    when: 'eq .Values.certificates.source "CertManager"',
    edits: [
      { from: 'secretName: warmgate-serving', to: 'secretName: {{ .Values.certificates.secretName }}' },
    ],
  },
  {
    source: 'components/prometheus/servicemonitor.yaml',
    when: '.Values.metrics.serviceMonitor.enabled',
    edits: [
      labelled('.Values.metrics.serviceMonitor.labels'),
      { from: 'interval: 30s', to: 'interval: {{ .Values.metrics.serviceMonitor.interval }}' },
    ],
  },
]

/** The alerts have templates of Prometheus' own, which Helm must leave alone. */
const rules: Template = {
  source: 'components/prometheus/rules.yaml',
  when: '.Values.metrics.rules.enabled',
  edits: [labelled('.Values.metrics.rules.labels')],
}

const helpers = `{{/* The image, by its digest if there is one. */}}
{{- define "warmgate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* With scope Cluster: all namespaces but those that opted out. */}}
{{- define "warmgate.optOut" -}}
{{- if eq .Values.scope "Cluster" -}}
- key: warmgate.dev/acceleration
  operator: NotIn
  values: [disabled]
{{- end -}}
{{- end }}
`

const dashboard = `{{- if .Values.metrics.dashboard.enabled }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: warmgate-dashboard
  namespace: {{ .Release.Namespace }}
  {{- with .Values.metrics.dashboard.labels }}
  labels: {{- toYaml . | nindent 4 }}
  {{- end }}
data:
  warmgate.json: {{ .Files.Get "files/warmgate.json" | toJson }}
{{- end }}
`

const policies = `{{- range .Values.policies }}
---
apiVersion: warmgate.dev/v1alpha1
kind: AccelerationPolicy
metadata:
  name: {{ .name | required "each of policies needs a name" }}
spec: {{- toYaml (.spec | default dict) | nindent 2 }}
{{- end }}
`

const notes = `Warmgate {{ .Chart.AppVersion }} is installed in {{ .Release.Namespace }}.

1. Wait until it is ready:

     kubectl rollout status deployment/warmgate -n {{ .Release.Namespace }}
{{ if eq .Values.scope "OptIn" }}
2. Opt a namespace in:

     kubectl label namespace models warmgate.dev/acceleration=enabled
{{ else }}
2. Create a policy with \`scope: Cluster\`: see docs/policy.md.
{{ end }}
3. Create services as before. To see why one is accelerated or not:

     kubectl describe inferenceservice NAME -n models

Before you uninstall, run \`warmgate restore -A --yes\`: it releases held pods and gives services their manifests back.
Uninstalling keeps {{ if .Values.crds.keep }}the CRD and your policies{{ else }}no policy{{ end }}. See docs/uninstall.md.
`

/** The files of the chart, by their path in it. */
export async function chartFiles(version: string, dashboardText: string): Promise<Map<string, string>> {
  const rendered = await Promise.all(
    templatesOf(version).map(
      async (template) => [targetOf(template), wrap(template, await edited(template))] as const,
    ),
  )
  return new Map([
    ['Chart.yaml', chartText(version)],
    ['values.yaml', valuesText()],
    ['values.schema.json', valuesJsonSchema()],
    ['README.md', readme(version)],
    ['.helmignore', '*.tgz\n'],
    ['files/warmgate.json', dashboardText],
    ['templates/_helpers.tpl', helpers],
    ['templates/NOTES.txt', notes],
    ['templates/dashboard.yaml', dashboard],
    ['templates/policies.yaml', policies],
    ['templates/cache-secrets.yaml', await perNamespace('cache-secrets', 'cacheSecrets')],
    ['templates/mirror-fills.yaml', await perNamespace('mirror-fills', 'mirrorFills')],
    [targetOf(rules), wrap(rules, await editedRules())],
    ...rendered,
  ])
}

/** A component's RoleBinding in each namespace that a value lists. */
async function perNamespace(component: string, value: string): Promise<string> {
  const source = `components/${component}/rolebinding.yaml`
  const binding = namespaced(await read(source)).replaceAll('.Release.', '$.Release.')
  const placed = edit(source, binding, { from: '\nroleRef:', to: '\n  namespace: {{ . }}\nroleRef:' })
  return `{{- range .Values.${value}.namespaces }}\n---\n${placed}{{- end }}\n`
}

function targetOf({ source }: Template): string {
  const [folder, component = '', file = ''] = source.split('/')
  const name = folder === 'base' ? component : component === 'egress' ? 'egress.yaml' : file
  return `templates/${name}`
}

function wrap({ when }: Template, text: string): string {
  return when === undefined ? text : `{{- if ${when} }}\n${text}{{- end }}\n`
}

async function edited({ source, edits = [] }: Template): Promise<string> {
  const text = await read(source)
  if (text.includes('{{')) throw new Error(`${source} would be a template of Helm's`)
  return namespaced(edits.reduce((result, each) => edit(source, result, each), text))
}

async function editedRules(): Promise<string> {
  const text = (await read(rules.source)).replaceAll(/\{\{.*?\}\}/g, (template) => `{{ \`${template}\` }}`)
  const linked = text.replaceAll(
    'runbook_url: docs/runbooks/alerts.md',
    'runbook_url: {{ .Values.metrics.rules.runbookUrl }}',
  )
  return namespaced((rules.edits ?? []).reduce((result, each) => edit(rules.source, result, each), linked))
}

function namespaced(text: string): string {
  return text.replaceAll('warmgate-system', '{{ .Release.Namespace }}')
}

function edit(source: string, text: string, { from, to, times = 1 }: Edit): string {
  const parts = text.split(from)
  if (parts.length - 1 !== times)
    throw new Error(`${source} has ${parts.length - 1} times, not ${times}: ${from}`)
  return parts.join(to)
}

function read(path: string): Promise<string> {
  return readFile(new URL(path, import.meta.url), 'utf8')
}

function chartText(version: string): string {
  return `# Generated by \`npm run manifests\`.
apiVersion: v2
name: warmgate
description: Makes existing KServe manifests start fast, unchanged, on Fluid caches
type: application
version: ${version}
appVersion: "${version}"
kubeVersion: ">=1.30.0-0"
keywords: [kserve, fluid, inference, cache, llm]
annotations:
  artifacthub.io/license: Apache-2.0
`
}

function readme(version: string): string {
  const rows = [['value', 'default', 'meaning'], ...valueRows()]
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = rows
  return `# warmgate

The Helm chart of Warmgate ${version}. It renders the same objects as \`manifests/base\` and its components.
[docs/install.md](../../docs/install.md) compares the ways to install it.

\`\`\`sh
helm install warmgate dist/release/warmgate-${version}.tgz -n warmgate-system --create-namespace \\
  --set image.repository=registry.example.com/platform/warmgate
\`\`\`

One cluster has one Warmgate: its cluster-wide objects have fixed names. Give its namespace the label
\`pod-security.kubernetes.io/enforce: restricted\` if your cluster has no default level.

## Values

${[line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)].join('\n')}

Generated from manifests/values.ts by \`npm run manifests\`.
`
}
