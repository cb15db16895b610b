import { cacheName } from '../fluid/name.ts'
import { chooseRuntime, type RuntimeName } from '../fluid/runtimes.ts'
import type { Source } from '../fluid/source.ts'
import type { KserveConfig } from '../kserve/config.ts'
import { type Credentials, resolveCredentials } from '../kserve/credentials.ts'
import type { ModelLocation } from '../kserve/location.ts'
import { type ModelDirectory, parseModelUri } from '../kserve/uri.ts'
import type { Policy } from '../policy/policy.ts'
import type { PolicySource } from '../policy/schema.ts'
import type { Facts } from './facts.ts'
import type { RefusalReason } from './reasons.ts'

export interface ResolvedSource {
  ok: true
  /** Where the model is, whatever way the service names it. */
  uri: string
  source: Source
  runtime: RuntimeName
  /** The name of the cache, new or not, that serves this source. */
  name: string
}

export type SourceResult = ResolvedSource | { ok: false; reason: RefusalReason; message: string }

/** Turns a model of a service into a source that Fluid can cache, or says why it is none. */
export function resolveSource(location: ModelLocation, policy: Policy, facts: Facts): SourceResult {
  const { model } = location
  if (model.kind === 'storage')
    return { ok: false, reason: 'NoModelLocation', message: 'a storage spec is not accelerated yet' }
  const parsed = parseModelUri(model.uri)
  if (parsed.kind === 'other') return { ok: false, reason: parsed.reason, message: parsed.message }
  const rule = sourceRule(policy, `${parsed.directory.uri}/`)
  if (rule === undefined) return unmatched(policy, parsed.directory)
  const resolved = resolveCredentials({
    scheme: parsed.directory.scheme,
    annotations: location.annotations,
    secretName: rule.credentials.secretName,
    serviceAccount: facts.serviceAccounts[location.serviceAccount],
    secrets: facts.secrets,
    config: facts.kserve,
  })
  if (!resolved.ok) return resolved
  const source = toSource(parsed.directory, resolved.credentials, rule.options)
  if (source.scheme === 'oss' && !hasOssEndpoint(source)) return ossEndpointMissing()
  const chosen = chooseRuntime(source, rule.runtime, facts.installed)
  if (!chosen.ok) return chosen
  return nameCache(source, { uri: model.uri, runtime: chosen.runtime }, facts)
}

type SourceRule = Pick<PolicySource, 'runtime' | 'options' | 'credentials'>

const everySource: SourceRule = { runtime: 'Auto', options: {}, credentials: {} }

/** The first rule whose prefix the URI has; a policy without rules takes every source. */
function sourceRule({ spec }: Policy, uri: string): SourceRule | undefined {
  if (spec.sources.length === 0) return everySource
  return spec.sources.find(({ match }) => match.some((prefix) => uri.startsWith(prefix)))
}

function unmatched(policy: Policy, { uri }: ModelDirectory): SourceResult {
  const prefixes = policy.spec.sources.flatMap(({ match }) => match).join(', ')
  return {
    ok: false,
    reason: 'UnsupportedScheme',
    message: `${uri} matches no source of AccelerationPolicy ${policy.name} (${prefixes})`,
  }
}

/** The Secrets that a service names for its credentials. */
export function namedSecrets(locations: ModelLocation[], config: KserveConfig): string[] {
  return locations.flatMap(({ annotations }) => annotations[config.storageSecretAnnotation] || [])
}

function toSource(
  { uri, scheme }: ModelDirectory,
  credentials: Credentials,
  options: Source['options'],
): Source {
  const { endpoint, ...reference } = credentials
  return { uri, scheme, credentials: reference, endpoint, options }
}

function hasOssEndpoint({ endpoint, options }: Source): boolean {
  return endpoint.url !== undefined || options['fs.oss.endpoint'] !== undefined
}

function ossEndpointMissing(): SourceResult {
  return {
    ok: false,
    reason: 'CredentialsMissing',
    message:
      'oss:// needs its endpoint: set fs.oss.endpoint in the policy’s sources[].options, or as a key of the Secret',
  }
}

function nameCache(
  source: Source,
  { uri, runtime }: Pick<ResolvedSource, 'uri' | 'runtime'>,
  facts: Facts,
): SourceResult {
  const name = cacheName(facts.namespace, source)
  if (!facts.foreignClaims.has(name)) return { ok: true, uri, source, runtime, name }
  return {
    ok: false,
    reason: 'NameTaken',
    message: `PersistentVolumeClaim ${name} exists and is not Fluid's: delete or rename it`,
  }
}
