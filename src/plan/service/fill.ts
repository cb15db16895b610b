import type { Fill, FillSettings, Store } from '../../fill/fill.ts'
import { fillPath, withoutCredentials } from '../../fill/path.ts'
import type { Source } from '../../fluid/source.ts'
import { resolveCredentials } from '../../kserve/credentials.ts'
import { initializerOverlay, isDownloadable } from '../../kserve/custom-download.ts'
import { type Initializer, initializerOf } from '../../kserve/initializer.ts'
import { podSourceOf } from '../../kserve/location.ts'
import type { ModelLocation } from '../../kserve/model-location.ts'
import type { Credentials, Resolved } from '../../kserve/resolved.ts'
import type { ServiceView } from '../../kserve/service-view.ts'
import { isMirrorable, type ModelDirectory, type ModelUri, parseModelUri } from '../../kserve/uri.ts'
import type { Policy } from '../../policy/policy.ts'
import type { FillPolicy } from '../../policy/schema.ts'
import { parseDurationMs } from '../../values/duration.ts'
import { type Json, type JsonObject, listAt, stringAt } from '../../values/object.ts'
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
export type FilledSource = ReadSource & {
  fill: Fill | undefined
  fillsAll: boolean
  /** Whether Warmgate has no right to start the download. */
  isForbidden: boolean
}

interface Context {
  service: Pick<ServiceView, 'kind' | 'locations'>
  policy: Policy
  facts: Facts
}

/**
 * How long the download into a mirror may take that comes before the cache of a model, in milliseconds; 0 if there is
 * none. `isFilling`: its Job exists. Before that only the URI tells, which is enough for all that no Runtime mounts.
 */
export function expectedFillMs(
  uri: string,
  { policy, namespace, isFilling }: { policy: Policy; namespace: string; isFilling: boolean },
): number {
  const parsed = parseModelUri(uri)
  const plain = parsed.kind === 'directory' ? parsed.directory.uri : trimEndSlashes(uri)
  const { fill } = sourceRule(withNamespace(policy, namespace), `${plain}/`) ?? {}
  if (fill === undefined || fill.mode === 'Never') return 0
  const isDownloaded = isFilling || fill.sources === 'All' || parsed.kind === 'other'
  return isDownloaded ? (parseDurationMs(fill.timeout) ?? 0) : 0
}

/** The reasons against a mount that a download into a mirror resolves. */
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
 * The directory of a mirror for a model that KServe's storage initializer can download, and the download.
 * Undefined if the rule for the model fills no mirror.
 */
export function readFilled(
  location: ModelLocation,
  context: Context,
): FilledSource | SourceRefused | undefined {
  const { facts } = context
  const policy = withNamespace(context.policy, facts.namespace)
  const isFilling = policy.spec.sources.some(({ fill }) => fill !== undefined)
  if (!isFilling || facts.unread.has(location.id)) return undefined
  const named = downloadedModel(location, facts)
  if (!named.ok) return named
  const parsed = parseModelUri(named.uri)
  if (parsed.kind === 'other' && !isMirrorable(parsed.reason)) return undefined
  const uri = parsed.kind === 'directory' ? parsed.directory.uri : trimEndSlashes(named.uri)
  const rule = sourceRule(policy, `${uri}/`)
  if (rule?.fill === undefined) return undefined
  const download = downloadOf(uri, parsed, location, context)
  if (!download.ok) return download
  const owner = rule.fill.share === 'All' ? undefined : ownerOf(uri, download, location, facts)
  const path = fillPath(uri, owner)
  const place = placeOf(rule, path, facts)
  if (!place.ok) return place
  const { account, mode, sources } = { ...rule.fill, account: rule.fill.serviceAccount }
  const { container, volumes } = download
  const fill: Fill = {
    model: withoutCredentials(uri),
    path,
    store: place.store,
    initializer: { container, volumes },
    account: account === 'Own' ? location.serviceAccount : account,
    labels: podLabels(location, facts),
    settings: settingsOf(rule.fill, policy),
  }
  return {
    ok: true,
    uri: named.uri,
    source: place.source,
    rule,
    prefix: place.source.uri,
    path: '',
    fill: mode === 'Never' ? undefined : fill,
    fillsAll: sources === 'All',
    isForbidden: mode !== 'Never' && !facts.mayFill,
  }
}

/** The storage initializer that KServe would run for the download. */
function downloadOf(
  uri: string,
  parsed: ModelUri,
  location: ModelLocation,
  context: Context,
): Initializer | SourceRefused {
  const { facts } = context
  const overlay = overlayOf(location, context)
  if (!isDownloadable(uri) && overlay === undefined) {
    const scheme = uri.slice(0, uri.indexOf('://'))
    const message = `KServe's storage initializer does not download ${quoted(scheme)}://, and no ClusterStorageContainer is for it`
    return { ok: false, reason: 'UnsupportedScheme', message }
  }
  // KServe lists S3 by raw prefix. With the slash it brings nothing of a directory with a longer name.
  const isDirectory = parsed.kind === 'directory' && parsed.directory.scheme === 's3'
  return initializerOf({
    uri: isDirectory ? `${uri}/` : uri,
    directory: '',
    namespace: facts.namespace,
    storage: location.model.storage,
    annotations: location.annotations,
    ...credentialFacts(location, facts),
    overlay,
  })
}

/** The place of the model in the mirror, as Fluid reads it and as rclone writes it. */
function placeOf(
  rule: SourceRule,
  path: string,
  facts: Facts,
): { ok: true; source: Source; store: Store } | SourceRefused {
  const directory = directoryOf(rule.mirror, path)
  if (typeof directory === 'string') return { ok: false, reason: 'UnsafeUri', message: directory }
  const reader = rule.credentials.secretName
  const writer = rule.fill?.credentials.secretName ?? reader
  const credentialsOf = (name: string | undefined) => mirrorCredentials(directory.scheme, rule, name, facts)
  const [reads, writes] = [credentialsOf(reader), credentialsOf(writer)]
  if (!reads.ok) return reads
  if (!writes.ok) return writes
  const store = storeOf(rule, { directory, path, credentials: writes.credentials })
  if (typeof store === 'string') return { ok: false, reason: 'CredentialsMissing', message: store }
  return { ok: true, source: toSource(directory, reads.credentials, rule), store }
}

/** A rule with a mirror that Warmgate fills, and how its directories are written there. */
export interface FilledMirror {
  /** Its URI, with a slash at its end. */
  uri: string
  mirror: Pick<Fill, 'store' | 'settings'>
  /** The service account that reaches it; undefined if each service uses its own. */
  account: string | undefined
}

/** The mirrors that the rules of a policy fill in a namespace, or why one cannot be reached. */
export function filledMirrors(policy: Policy, facts: Facts): (FilledMirror | SourceRefused)[] {
  return withNamespace(policy, facts.namespace).spec.sources.flatMap(
    (rule): (FilledMirror | SourceRefused)[] => {
      if (rule.fill === undefined || rule.mirror === '') return []
      const place = placeOf(rule, anyDirectory, facts)
      if (!place.ok) return [place]
      const { serviceAccount } = rule.fill
      const account = serviceAccount === 'Own' ? undefined : serviceAccount
      return [
        {
          uri: rule.mirror,
          mirror: { store: place.store, settings: settingsOf(rule.fill, policy) },
          account,
        },
      ]
    },
  )
}

const anyDirectory = 'any@'

/** The refusal of a download that Warmgate has no right to start. */
export function forbidden({ namespace }: Facts): SourceRefused {
  return {
    ok: false,
    reason: 'FillForbidden',
    message: `the policy fills its mirror by a Job, which Warmgate may not create in namespace ${namespace}: bind ClusterRole warmgate-fills there`,
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

const sharedParts = /^(HF_(HUB|XET)_\w+|CA_BUNDLE_\w+|cabundle-cert)$/

/**
 * The owner of a copy; undefined if all namespaces may share it. Only a public model of Hugging Face is shared. What
 * is read with credentials, by the identity that a cloud gives an account, or from a server that only some networks
 * reach belongs to its namespace: otherwise a tenant that names the same URI would get what only others may read.
 */
function ownerOf(
  uri: string,
  { container, volumes }: Initializer,
  location: ModelLocation,
  { namespace }: Facts,
): { namespace: string; identity: unknown } | undefined {
  // The same in the whole cluster: they give no rights.
  const isShared = (part: Json) => sharedParts.test(stringAt(part, 'name') ?? '')
  const [env, own] = [listAt(container, 'env'), volumes].map((parts) =>
    parts.filter((part) => !isShared(part)),
  )
  const custom = [container.envFrom, container.command].filter((field) => field !== undefined)
  const isPublic = uri.startsWith('hf://')
  if (isPublic && [env, custom, own].every((list) => list?.length === 0)) return undefined
  const identity = [location.serviceAccount, location.model.storage ?? null, env, custom, own]
  return { namespace, identity: identity as Json }
}

function directoryOf(mirror: string, path: string): ModelDirectory | string {
  const uri = `${mirror}${path}`
  const scheme = mirror.slice(0, mirror.indexOf('://'))
  if (scheme !== 'pvc') {
    const parsed = parseModelUri(uri)
    return parsed.kind === 'directory' ? parsed.directory : parsed.message
  }
  const [claim = '', ...segments] = uri.slice('pvc://'.length).split('/')
  const isSafe = segments.every(
    (segment) => /^[A-Za-z0-9._~+@=-]+$/.test(segment) && !/^\.\.?$/.test(segment),
  )
  if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(claim) || !isSafe)
    return "the policy's mirror names no claim, or a directory that a mount cannot carry safely"
  return { uri, scheme, bucket: claim, path: segments.join('/') }
}

function mirrorCredentials(
  scheme: string,
  { credentials: { keys } }: SourceRule,
  secretName: string | undefined,
  facts: Facts,
): Resolved {
  return resolveCredentials({
    scheme,
    annotations: {},
    secretName,
    isMirrored: true,
    ...(keys === undefined ? {} : { optionKeys: keys }),
    // Only the policy decides how a mirror is read. Without a Secret, rclone has the identity of the Job's
    // account.
    serviceAccount: {
      name: '',
      secrets: [],
      annotations: {},
      ...(isFromFiles(facts) && { isFromFiles: true }),
    },
    secrets: facts.secrets,
    config: facts.kserve,
    policyNamesEndpoint: true,
  })
}

/** Whether the facts are read from files, which may lack a Secret that the cluster has. */
function isFromFiles({ serviceAccounts }: Facts): boolean {
  return Object.values(serviceAccounts).some((account) => account.isFromFiles === true)
}

/** The store to which rclone writes, or the reason why it cannot. */
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
