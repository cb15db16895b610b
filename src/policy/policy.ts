import Value from 'typebox/value'
import { isObject, type Json, type KubeObject } from '../values/object.ts'
import { brokenRules } from './rules.ts'
import { type PolicySpec, policySpecSchema } from './schema.ts'
import { isInScope, isOptedIn } from './scope.ts'
import { type Labels, matchesSelector } from './selector.ts'

export interface Policy {
  name: string
  spec: PolicySpec
}

export type ParsedPolicy = { ok: true; policy: Policy } | { ok: false; problems: string[] }

/**
 * Validates an AccelerationPolicy and sets its defaults, as the CRD does. Each problem names its path. Needed
 * for manifest files; on a cluster the API server has done it.
 */
export function parsePolicy(object: KubeObject): ParsedPolicy {
  const spec: unknown = Value.Default(policySpecSchema, structuredClone(object.spec ?? {}))
  if (Value.Check(policySpecSchema, spec)) {
    const broken = brokenRules(spec as Json)
    if (broken.length > 0) return { ok: false, problems: broken }
    return { ok: true, policy: { name: object.metadata.name ?? '', spec } }
  }
  // Skip an unknown field's own error: the error of its parent object lists it by name.
  const errors = Value.Errors(policySpecSchema, spec).filter(({ keyword }) => keyword !== 'boolean')
  const problems = errors.map((error) => {
    const detail = isObject(error.params) ? describe(error.params) : ''
    return `spec${error.instancePath.replaceAll('/', '.').replaceAll('~1', '/')}: ${error.message}${detail}`
  })
  return { ok: false, problems }
}

function describe(params: { [key: string]: Json | undefined }): string {
  const named = params.allowedValues ?? params.additionalProperties
  return Array.isArray(named) ? ` (${named.join(', ')})` : ''
}

/** The valid policies. The API server admits no others; one of an older schema is left out. */
export function parsePolicies(objects: KubeObject[]): Policy[] {
  return objects.map(parsePolicy).flatMap((parsed) => (parsed.ok ? [parsed.policy] : []))
}

/** The policy if a cluster has none: the default of every field, and no GPU. */
export const builtInPolicy: Policy = {
  name: 'built-in',
  spec: Value.Default(policySpecSchema, {}) as PolicySpec,
}

/** The governing policy of a service: the highest priority that matches, then the first name. */
export function selectPolicy(policies: Policy[], labels: ServiceLabels): Policy | undefined {
  if (policies.length === 0) return isOptedIn(labels.namespace) ? builtInPolicy : undefined
  return matchingPolicies(policies, labels)[0]
}

export interface ServiceLabels {
  namespace: Labels
  service: Labels
}

/** The policies that match a service by scope and selectors, the governing policy first. */
export function matchingPolicies(policies: Policy[], labels: ServiceLabels): Policy[] {
  return policies
    .filter((policy) => isFor(policy, labels.namespace))
    .filter(({ spec }) => matchesSelector(spec.serviceSelector, labels.service))
    .toSorted((a, b) => b.spec.priority - a.spec.priority || (a.name < b.name ? -1 : 1))
}

/** Whether Warmgate acts in a namespace: it has opted in, or a policy with Cluster scope selects it. */
export function isOpen(policies: Policy[], namespaceLabels: Labels): boolean {
  return isOptedIn(namespaceLabels) || policies.some((policy) => isFor(policy, namespaceLabels))
}

function isFor({ spec }: Policy, namespaceLabels: Labels): boolean {
  return isInScope(spec, namespaceLabels) && matchesSelector(spec.namespaceSelector, namespaceLabels)
}

/** Whether a policy leaves services unchanged and rewrites their pods. */
export function rewritesPods({ spec }: Policy): boolean {
  return spec.rewrite !== 'Spec'
}
