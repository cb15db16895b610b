import type { Fill, FillSettings, Store } from '../../fill/fill.ts'
import { fillPath, withoutCredentials } from '../../fill/path.ts'
import { resolveCredentials } from '../../kserve/credentials.ts'
import { initializerOverlay, isDownloadable } from '../../kserve/custom-download.ts'
import { initializerOf } from '../../kserve/initializer.ts'
import { podSourceOf } from '../../kserve/location.ts'
import type { ModelLocation } from '../../kserve/model-location.ts'
import type { Credentials } from '../../kserve/resolved.ts'
import type { ServiceView } from '../../kserve/service-view.ts'
import { isMirrorable, type ModelDirectory, parseModelUri } from '../../kserve/uri.ts'
import type { Policy } from '../../policy/policy.ts'
import type { FillPolicy } from '../../policy/schema.ts'
import { parseDurationMs } from '../../values/duration.ts'
import type { JsonObject } from '../../values/object.ts'
import { quoted, trimEndSlashes } from '../../values/text.ts'
import type { Facts } from '../facts.ts'
import type { RefusalReason } from '../reasons.ts'
import {
  credentialFacts,
  downloadedModel,
  type ReadSource,
  type SourceRefused,
  type SourceRule,
  sourceRule,
  toSource,
  withNamespace,
} from './source.ts'

/** A source that is a directory of a mirror, and what fills it; `fill` is undefined if someone else does. */
export type FilledSource = ReadSource & { fill: Fill | undefined; fillsAll: boolean }

interface Context {
  service: Pick<ServiceView, 'kind' | 'locations'>
  policy: Policy
  facts: Facts
  /** Whether the rewrite was there before: then its cache may be there, too. */
  isKept: boolean
}

/** The reasons against a mount that a download into a mirror answers. */
const answered: ReadonlySet<RefusalReason> = new Set<RefusalReason>([
  'ArchiveSource',
  'SingleFileSource',
  'GitSource',
  'HttpSource',
  'UnsupportedScheme',
  'RuntimeUnavailable',
  'CredentialsMissing',
  'WorkloadIdentity',
  'CustomDownload',
])

export function isAnsweredByFill(reason: RefusalReason): boolean {
  return answered.has(reason)
}

/**
 * The directory of a mirror for a model that KServe's storage initializer can download, and the download. Undefined
 * if the rule for the model fills no mirror.
 */
export function readFilled(location: ModelLocation, context: Context): FilledSource | SourceRefused | undefined {
  const { facts } = context
  const policy = withNamespace(context.policy, facts.namespace)
  if (!policy.spec.sources.some(({ fill }) => fill !== undefined)) return undefined
  if (facts.unread.has(location.id)) return undefined
  const named = downloadedModel(location, facts)
  if (!named.ok) return named
  const parsed = parseModelUri(named.uri)
  if (parsed.kind === 'other' && !isMirrorable(parsed.reason)) return undefined
  const uri = parsed.kind === 'directory' ? parsed.directory.uri : trimEndSlashes(named.uri)
  const rule = sourceRule(policy, `${uri}/`)
  if (rule?.fill === undefined) return undefined
  const { fill } = rule
  const problem = rightsProblem(fill, context) ?? schemeProblem(uri, location, context)
  if (problem !== undefined) return problem
  const initializer = initializerOf({
    // KServe lists S3 by raw prefix. With the slash it brings nothing of a directory whose name only begins alike.
    uri: parsed.kind === 'directory' && parsed.directory.scheme === 's3' ? `${uri}/` : uri,
    directory: '',
    namespace: facts.namespace,
    storage: location.model.storage,
    annotations: location.annotations,
    ...credentialFacts(location, facts),
    overlay: overlayOf(location, context),
  })
  if (!initializer.ok) return initializer
  const path = fillPath(uri, ownerOf(uri, { location, initializer, facts }))
  const directory = directoryOf(rule.mirror, path)
  if (typeof directory === 'string') return { ok: false, reason: 'UnsafeUri', message: directory }
  const [readsAs, writesAs] = [rule.credentials.secretName, fill.credentials.secretName].map((secretName) =>
    mirrorCredentials(location, facts, { directory, rule, secretName: secretName ?? rule.credentials.secretName }),
  )
  if (readsAs === undefined || writesAs === undefined) return undefined
  if (!readsAs.ok) return readsAs
  if (!writesAs.ok) return writesAs
  const source = toSource(directory, readsAs.credentials, rule)
  const store = storeOf(rule, { directory, path, credentials: writesAs.credentials })
  if (typeof store === 'string') return { ok: false, reason: 'CredentialsMissing', message: store }
  const { container, volumes } = initializer
  const download: Fill = {
    uri,
    model: withoutCredentials(uri),
    path,
    store,
    initializer: { container, volumes },
    account: fill.serviceAccount === 'Own' ? location.serviceAccount : fill.serviceAccount,
    labels: podLabels(location, facts),
    settings: settingsOf(fill, policy),
  }
  return {
    ok: true,
    uri: named.uri,
    source,
    rule,
    prefix: directory.uri,
    path: '',
    fill: fill.mode === 'Never' ? undefined : download,
    fillsAll: fill.sources === 'All',
  }
}

function rightsProblem({ mode }: FillPolicy, { facts, isKept }: Context): SourceRefused | undefined {
  if (mode === 'Never' || facts.mayFill || isKept) return undefined
  return {
    ok: false,
    reason: 'FillForbidden',
    message: `the policy fills its mirror by a Job, which Warmgate may not create in namespace ${facts.namespace}: bind ClusterRole warmgate-fills there`,
  }
}

/** A scheme that neither KServe's own image nor a ClusterStorageContainer downloads. */
function schemeProblem(uri: string, location: ModelLocation, context: Context): SourceRefused | undefined {
  if (isDownloadable(uri) || overlayOf(location, context) !== undefined) return undefined
  const scheme = uri.slice(0, uri.indexOf('://'))
  return {
    ok: false,
    reason: 'UnsupportedScheme',
    message: `KServe's storage initializer does not download ${quoted(scheme)}://, and no ClusterStorageContainer is for it`,
  }
}

/**
 * KServe picks the container for a list of URIs by the first one. LLMInferenceServices have no
 * ClusterStorageContainers (kserve pkg/controller/v1alpha2/llmisvc/workload_storage.go).
 */
function overlayOf(location: ModelLocation, { service, facts }: Context): JsonObject | undefined {
  if (service.kind === 'LLMInferenceService') return undefined
  const first = location.group.endsWith('.storageUris')
    ? service.locations.find(({ group }) => group === location.group)
    : location
  return initializerOverlay(podSourceOf((first ?? location).model), facts.storageContainers)
}

const publicSchemes = /^(hf|https?):\/\//
const azure = /\.(blob|file)\.(core\.windows\.net|storage\.azure\.net)\//

/**
 * Whose copy of a model it is; undefined if all who write the mirror may share it. A download that reads with
 * credentials, or that a cloud may give an identity, is its namespace's own: otherwise whoever names the same URI
 * would get a model that only others may read.
 */
function ownerOf(
  uri: string,
  {
    location,
    initializer,
    facts,
  }: { location: ModelLocation; initializer: { container: JsonObject; volumes: JsonObject[] }; facts: Facts },
): { namespace: string; identity: unknown } | undefined {
  const { container, volumes } = initializer
  const isShipped = (variable: unknown) => /"(HF_HUB|HF_XET)_\w+"/.test(JSON.stringify(variable))
  const env = (Array.isArray(container.env) ? container.env : []).filter((variable) => !isShipped(variable))
  const custom = [container.envFrom, container.command].filter((field) => field !== undefined)
  const isPublic = publicSchemes.test(uri) && !azure.test(`${uri}/`)
  if (isPublic && env.length === 0 && custom.length === 0 && volumes.length === 0) return undefined
  const identity = [location.serviceAccount, location.model.storage ?? null, env, custom, volumes]
  return { namespace: facts.namespace, identity }
}

function directoryOf(mirror: string, path: string): ModelDirectory | string {
  const uri = `${mirror}${path}`
  const scheme = mirror.slice(0, mirror.indexOf('://'))
  if (scheme !== 'pvc') {
    const parsed = parseModelUri(uri)
    return parsed.kind === 'directory' ? parsed.directory : parsed.message
  }
  const [claim = '', ...segments] = uri.slice('pvc://'.length).split('/')
  const isSafe = segments.every((segment) => /^[A-Za-z0-9._~+@=-]+$/.test(segment) && !/^\.\.?$/.test(segment))
  if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(claim) || !isSafe)
    return "the policy's mirror names no claim, or a directory that a mount cannot carry safely"
  return { uri, scheme, bucket: claim, path: segments.join('/') }
}

function mirrorCredentials(
  location: ModelLocation,
  facts: Facts,
  {
    directory,
    rule,
    secretName,
  }: { directory: ModelDirectory; rule: SourceRule; secretName: string | undefined },
) {
  return resolveCredentials({
    scheme: directory.scheme,
    annotations: {},
    secretName,
    isMirrored: true,
    ...(rule.credentials.keys === undefined ? {} : { optionKeys: rule.credentials.keys }),
    // The identity of the service's account is the Job's own, and no obstacle to a mirror.
    serviceAccount: undefined,
    secrets: facts.secrets,
    config: facts.kserve,
    policyNamesEndpoint: true,
  })
}

/** Where rclone writes, or why it cannot. */
function storeOf(
  { options, mirror }: SourceRule,
  { directory, path, credentials }: { directory: ModelDirectory; path: string; credentials: Credentials },
): Store | string {
  const { scheme, bucket } = directory
  const prefix = directory.path.slice(0, -path.length - 1)
  if (scheme === 'pvc') return { kind: 'Claim', claim: bucket, prefix }
  const { endpoint, ...reference } = credentials
  if (reference.kind === 'options' || reference.kind === 'entry')
    return `rclone cannot write ${mirror} with these credentials: name a Secret with plain keys in fill.credentials.secretName`
  const named = Object.entries(options).find(([name]) => /\.endpoint$/.test(name))?.[1]
  const url = endpoint.url ?? named
  return {
    kind: 'Bucket',
    scheme,
    bucket,
    prefix,
    credentials: reference,
    endpoint: { ...endpoint, ...(url !== undefined && { url }) },
  }
}

/** Azure's webhook gives an identity only to pods with this label. */
function podLabels(location: ModelLocation, facts: Facts): { [name: string]: string } {
  const account = credentialFacts(location, facts).serviceAccount
  return account?.annotations['azure.workload.identity/client-id'] === undefined
    ? {}
    : { 'azure.workload.identity/use': 'true' }
}

function settingsOf(fill: FillPolicy, { spec }: Policy): FillSettings {
  const { mode, timeout, resources, scratch, image } = fill
  const { size, storageClassName } = scratch
  return {
    mode,
    timeoutMs: parseDurationMs(timeout) ?? 0,
    retries: spec.warmup.retries,
    resources,
    scratch: { size, ...(storageClassName !== undefined && { storageClassName }) },
    image,
    tolerations: spec.cache.tolerations,
  }
}
