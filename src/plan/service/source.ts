import { isOurs } from '../../fluid/dataset.ts'
import { cacheName } from '../../fluid/name.ts'
import { isReference } from '../../fluid/reference.ts'
import { chooseRuntime, type RuntimeName } from '../../fluid/runtimes.ts'
import type { Source } from '../../fluid/source.ts'
import { volumeName } from '../../fluid/volume.ts'
import type { KserveConfig } from '../../kserve/config.ts'
import { resolveCredentials } from '../../kserve/credentials.ts'
import type { ModelLocation } from '../../kserve/model-location.ts'
import type { Credentials } from '../../kserve/resolved.ts'
import { resolveStorageSpec, type StorageSpecResolved, storageSecretName } from '../../kserve/storage-spec.ts'
import {
  isMirrorable,
  type ModelDirectory,
  type ModelUri,
  mirrored,
  parentUri,
  parseModelUri,
} from '../../kserve/uri.ts'
import type { Policy } from '../../policy/policy.ts'
import type { PolicySource } from '../../policy/schema.ts'
import { limits } from '../../values/limits.ts'
import type { KubeObject } from '../../values/object.ts'
import { quoted, trimEndSlashes, trimStartSlashes } from '../../values/text.ts'
import type { Facts } from '../facts.ts'
import type { RefusalReason } from '../reasons.ts'
import { dropsPath } from './existing.ts'

export interface ResolvedSource {
  ok: true
  /** The resolved URI of the model. */
  uri: string
  source: Source
  runtime: RuntimeName
  /** The name of the cache, new or not, that serves this source. */
  name: string
}

export type SourceResult = ResolvedSource | SourceRefused
export type SourceRefused = { ok: false; reason: RefusalReason; message: string }

/** The source of a service's model, before a cache is chosen for it. */
export interface ReadSource {
  ok: true
  /** The resolved URI of the model. */
  uri: string
  source: Source
  rule: SourceRule
  /** The directory of the policy's rule, and the model's path in it; empty if it is the model itself. */
  prefix: string
  path: string
  /** Why the service's credentials do not work. A Dataset that a policy shares has its own credentials. */
  unresolved?: SourceRefused
}

/** Resolves a model of a service to a source that Fluid can cache, or to a refusal. */
export function resolveSource(location: ModelLocation, policy: Policy, facts: Facts): SourceResult {
  const read = readSource(location, policy, facts)
  return read.ok ? cacheFor(read, facts) : read
}

/** Finds the directory and credentials from which a model is read. */
export function readSource(location: ModelLocation, given: Policy, facts: Facts): ReadSource | SourceRefused {
  const { obstacle } = location
  if (obstacle?.reason === 'TooLarge') return { ok: false, reason: 'TooLarge', message: obstacle.message }
  // Refuse, because without its credentials the model would look public.
  if (facts.unread.has(location.id)) return { ok: false, reason: 'TooLarge', message: tooManyReads }
  const named = namedModel(location, facts)
  if (!named.ok) return named
  const policy = inNamespace(given, facts.namespace)
  const chosen = chooseDirectory(named.uri, policy)
  if (!chosen.ok) return chosen
  const { directory, rule, isMirrored } = chosen
  if (directory.scheme === 'pvc') return readClaim(named.uri, { directory, rule, location, facts })
  const policyNamesEndpoint = namesEndpoint(rule.options)
  // A mirror has its own credentials, and so has a rule with a Secret.
  const isOwn =
    isMirrored || rule.credentials.secretName !== undefined || location.model.storage === undefined
  const resolved = isOwn
    ? resolveCredentials({
        scheme: directory.scheme,
        annotations: location.annotations,
        secretName: rule.credentials.secretName,
        isMirrored,
        ...(rule.credentials.keys === undefined ? {} : { optionKeys: rule.credentials.keys }),
        ...credentialFacts(location, facts),
        policyNamesEndpoint,
      })
    : namedModel(location, facts, policyNamesEndpoint)
  // A Dataset that a policy shares has its own credentials.
  if (!resolved.ok && !isShared(rule, facts.namespace)) return resolved
  const source = toSource(directory, resolved.ok ? resolved.credentials : noCredentials, rule)
  const prefix = prefixOf(directory.uri, rule, isMirrored)
  const path = trimStartSlashes(directory.uri.slice(prefix.length))
  const read = { ok: true as const, uri: named.uri, source, rule, prefix, path }
  return resolved.ok ? read : { ...read, unresolved: resolved }
}

/** A directory of the user's own claim, which a rule of the policy is for. */
function readClaim(
  uri: string,
  {
    directory,
    rule,
    location,
    facts,
  }: { directory: ModelDirectory; rule: SourceRule; location: ModelLocation; facts: Facts },
): ReadSource | SourceRefused {
  const { bucket: claim, path } = directory
  const isCached = facts.datasets.some(({ metadata }) => metadata.name === claim)
  if (isCached)
    return { ok: false, reason: 'PvcSource', message: `${quoted(claim)} is the volume of a Dataset` }
  if (path !== '' && dropsPath(location))
    return { ok: false, reason: 'PvcSource', message: 'KServe mounts the root of a claim in storageUris' }
  const source = toSource(directory, noCredentials, rule)
  return { ok: true, uri, source, rule, prefix: directory.uri, path: '' }
}

const tooManyReads = `the service needs more than ${limits.reads} service accounts, Secrets and grants: those of this location are not read`

/**
 * The topmost directory at or above a URI that still has the matched prefix, so that it contains nothing
 * outside the prefix; at least the bucket. For a mirror, the prefix is that of the mirror.
 */
function prefixOf(uri: string, rule: SourceRule, isMirrored: boolean): string {
  const prefix = prefixesOf(rule, isMirrored).find((each) => `${uri}/`.startsWith(each)) ?? ''
  const bucket = uri.indexOf('://') + '://'.length
  const end = uri.indexOf('/', Math.max(bucket, prefix.length - 1))
  return end === -1 ? uri : uri.slice(0, end)
}

/**
 * The cache for a source, new or existing. `name` differs if the cache was created with other credentials.
 */
export function cacheFor(
  { uri, source, rule }: Pick<ReadSource, 'uri' | 'source' | 'rule'>,
  facts: Facts,
  name = cacheName(facts.namespace, source),
): SourceResult {
  if (source.scheme === 'oss' && !hasOssEndpoint(source)) return ossEndpointMissing()
  const chosen = chooseRuntime(source, rule.runtime, facts.installed)
  if (!chosen.ok) return chosen
  const taken = nameConflict(name, facts)
  if (taken !== undefined) return { ok: false, reason: 'NameTaken', message: taken }
  return { ok: true, uri, source, runtime: chosen.runtime, name }
}

/** Why a cache cannot have this name: an object that Warmgate does not own has it. */
export function nameConflict(name: string, facts: Facts): string | undefined {
  const volume = volumeName(facts.namespace, name)
  if (facts.foreignClaims.has(name))
    return `PersistentVolumeClaim ${name} exists and is not Fluid's: delete or rename it`
  if (facts.foreignVolumes.has(volume))
    return `PersistentVolume ${volume} exists, and belongs to a claim of another name or namespace: the cache would never get its own`
  const others = [...facts.datasets, ...facts.runtimes].filter((object) => object.metadata.name === name)
  const other = others.find((object) => !isOurs(object) && !belongsToReference(object, facts))
  return other && `${other.kind} ${name} exists and is not Warmgate's: delete or rename it`
}

/** Whether Fluid created this Runtime for a reference of Warmgate's. */
function belongsToReference(
  { metadata: { ownerReferences = [] } }: KubeObject,
  { datasets }: Facts,
): boolean {
  const references = datasets.filter((dataset) => isOurs(dataset) && isReference(dataset))
  return references.some(({ metadata: { uid } }) =>
    ownerReferences.some((owner) => uid !== undefined && owner.uid === uid),
  )
}

const noCredentials: Credentials = { kind: 'anonymous', endpoint: {} }

/** The URI of a model, and the credentials of its storage spec, if it has one. */
function namedModel(location: ModelLocation, facts: Facts, policyNamesEndpoint = true): StorageSpecResolved {
  return resolvedModel(location, facts, { policyNamesEndpoint })
}

/** The URI of a model that KServe's storage initializer downloads, with whatever credentials. */
export function downloadedModel(location: ModelLocation, facts: Facts): StorageSpecResolved {
  return resolvedModel(location, facts, { isDownloaded: true })
}

function resolvedModel(
  location: ModelLocation,
  facts: Facts,
  options: { policyNamesEndpoint?: boolean; isDownloaded?: boolean },
): StorageSpecResolved {
  const { model, annotations } = location
  if (model.kind === 'uri' && model.storage === undefined)
    return { ok: true, uri: model.uri, credentials: noCredentials }
  return resolveStorageSpec({
    storage: model.storage ?? {},
    uri: model.kind === 'uri' ? model.uri : undefined,
    annotations,
    ...credentialFacts(location, facts),
    ...options,
  })
}

export function credentialFacts(
  { serviceAccount }: ModelLocation,
  { serviceAccounts, secrets, kserve }: Facts,
) {
  return { serviceAccount: serviceAccounts[serviceAccount], secrets, config: kserve }
}

type Chosen = { ok: true; directory: ModelDirectory; rule: SourceRule; isMirrored: boolean }

/** The directory for a model's URI, by the first matching rule of the policy. */
function chooseDirectory(uri: string, policy: Policy): Chosen | SourceRefused {
  // A rule that names a runtime may allow a URI that Warmgate does not know as a directory.
  const parsed = parseModelUri(uri, (named) => {
    const found = sourceRule(policy, `${named}/`)
    if (found === undefined || found.mirror !== '') return false
    // A claim is cached only if a rule is for claims: no rule at all is for none.
    return named.startsWith('pvc://') ? found.match.length > 0 : found.runtime !== 'Auto'
  })
  if (parsed.kind === 'other' && !isMirrorable(parsed.reason)) return refused(parsed)
  const plain = parsed.kind === 'directory' ? parsed.directory.uri : trimEndSlashes(uri)
  const rule = sourceRule(policy, `${plain}/`)
  const isMirrored = rule !== undefined && rule.mirror !== ''
  if (parsed.kind === 'other' && !isMirrored && !isFile(parsed, rule)) return refused(parsed)
  if (rule === undefined) return unmatched(policy, plain)
  const read = isMirrored ? mirrored(plain, rule) : plain
  const found = isMirrored ? parseModelUri(read) : parsed
  const directory =
    found.kind === 'other' && isFile(found, rule) ? parentOf(read, prefixesOf(rule, isMirrored)) : found
  return directory.kind === 'other'
    ? refused(directory)
    : { ok: true, directory: directory.directory, rule, isMirrored }
}

/** Whether the policy allows to mount the directory of a single file. */
function isFile({ reason }: Extract<ModelUri, { kind: 'other' }>, rule: SourceRule | undefined): boolean {
  return reason === 'SingleFileSource' && rule?.files === 'Parent'
}

/** The directory of a file, if everything in it has an allowed prefix. */
function parentOf(file: string, prefixes: string[]): ModelUri {
  const parent = parentUri(file)
  if (parent === undefined) return parseModelUri(file)
  if (prefixes.some((prefix) => `${parent}/`.startsWith(prefix))) return parseModelUri(parent)
  const message = 'the directory of the file holds more than the policy allows: it is not mounted for it'
  return { kind: 'other', reason: 'SingleFileSource', message }
}

/** The prefixes that a rule reads from. */
function prefixesOf({ match, mirror }: SourceRule, isMirrored: boolean): string[] {
  return isMirrored ? [mirror] : match
}

function refused({ reason, message }: Extract<ModelUri, { kind: 'other' }>) {
  return { ok: false as const, reason, message }
}

/** Whether the policy names the endpoint. It is then responsible for the endpoint's certificate. */
function namesEndpoint(options: SourceRule['options']): boolean {
  return Object.keys(options).some((name) => /\.endpoint$/.test(name))
}

export type SourceRule = PolicySource
export type DatasetRef = NonNullable<SourceRule['dataset']>

/** Whether a rule shares a Dataset of another namespace with this namespace. */
export function isShared(rule: SourceRule, namespace: string): rule is SourceRule & { dataset: DatasetRef } {
  return rule.dataset !== undefined && rule.dataset.namespace !== namespace
}

/** The rules that may match a model first. With a storage spec, any rule may. */
export function matchingRules(
  model: ModelLocation['model'],
  policy: Policy,
  namespace: string,
): SourceRule[] {
  const { sources } = withNamespace(policy, namespace).spec
  if (model.kind === 'storage' || model.storage !== undefined) return sources
  const parsed = parseModelUri(model.uri)
  if (parsed.kind === 'other' && !isMirrorable(parsed.reason)) return []
  const plain = parsed.kind === 'directory' ? parsed.directory.uri : trimEndSlashes(model.uri)
  return sources.filter(({ match }) => match.some((prefix) => `${plain}/`.startsWith(prefix)))
}

const everySource: SourceRule = {
  match: [],
  runtime: 'Auto',
  mirror: '',
  files: 'Skip',
  options: {},
  credentials: {},
}

/**
 * A policy with `$(namespace)` in its sources replaced by the namespace's name. A rule that fills its mirror mounts
 * what it can where it is, by the service's own credentials: its Secret and its options are the mirror's (fill.ts).
 */
function inNamespace(policy: Policy, namespace: string): Policy {
  const { name, spec } = withNamespace(policy, namespace)
  const sources = spec.sources.map((source) => {
    const { identity } = source.credentials
    return source.fill === undefined
      ? source
      : { ...source, mirror: '', options: {}, credentials: identity === undefined ? {} : { identity } }
  })
  return { name, spec: { ...spec, sources } }
}

export function withNamespace({ name, spec }: Policy, namespace: string): Policy {
  const named = (text: string) => text.replaceAll('$(namespace)', namespace)
  const sources = spec.sources.map((source) => ({
    ...source,
    match: source.match.map(named),
    mirror: named(source.mirror),
  }))
  return { name, spec: { ...spec, sources } }
}

/** The first rule with a prefix of the URI. A policy without rules accepts every source. */
export function sourceRule({ spec }: Policy, uri: string): SourceRule | undefined {
  if (spec.sources.length === 0) return everySource
  return spec.sources.find(({ match }) => match.some((prefix) => uri.startsWith(prefix)))
}

/** The message omits the policy's prefixes, because they may name sources of other tenants. */
function unmatched(policy: Policy, uri: string): SourceRefused {
  return {
    ok: false,
    reason: 'UnsupportedScheme',
    message: `${quoted(uri)} matches no source of AccelerationPolicy ${policy.name}`,
  }
}

/** The Secrets that a service names for its credentials or its storage specs. */
export function namedSecrets(locations: ModelLocation[], config: KserveConfig): string[] {
  const names = locations.flatMap(({ annotations, model }) => [
    annotations[config.storageSecretAnnotation],
    model.storage === undefined ? undefined : storageSecretName(annotations, config),
  ])
  // Drop invalid names: a request for such a Secret would fail.
  return [...new Set(names)].filter((name) => name !== undefined).filter(isSecretName)
}

/** Whether a text can be the name of a Secret. */
export function isSecretName(name: string): boolean {
  return name.length <= limits.name && secretName.test(name)
}

const secretName = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/

export function toSource(
  { uri, scheme }: ModelDirectory,
  credentials: Credentials,
  { options, profile, credentials: { identity } }: SourceRule,
): Source {
  const { endpoint, ...reference } = credentials
  const isReadAsNode = identity === 'Node'
  const source = {
    uri,
    scheme,
    credentials: reference,
    endpoint,
    options,
    ...(isReadAsNode && { isReadAsNode }),
  }
  return profile === undefined ? source : { ...source, profile }
}

function hasOssEndpoint({ endpoint, options }: Source): boolean {
  return endpoint.url !== undefined || options['fs.oss.endpoint'] !== undefined
}

function ossEndpointMissing(): SourceRefused {
  return {
    ok: false,
    reason: 'CredentialsMissing',
    message:
      'oss:// needs its endpoint: set fs.oss.endpoint in the policy’s sources[].options, or as a key of the Secret',
  }
}
