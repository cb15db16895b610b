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
 * An AccelerationPolicy as the CRD would admit it: defaults filled in, every problem named with its path.
 * On a cluster the API server has done both before; from files this is where it happens.
 */
export function parsePolicy(object: KubeObject): ParsedPolicy {
  const spec: unknown = Value.Default(policySpecSchema, structuredClone(object.spec ?? {}))
  if (Value.Check(policySpecSchema, spec)) {
    const broken = brokenRules(spec as Json)
    if (broken.length > 0) return { ok: false, problems: broken }
    return { ok: true, policy: { name: object.metadata.name ?? '', spec } }
  }
  // Of a field that is not there to be set the object above it tells, and by name.
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

/** What applies where no policy exists at all: the default of every field, and no GPU. */
export const builtInPolicy: Policy = {
  name: 'built-in',
  spec: Value.Default(policySpecSchema, {}) as PolicySpec,
}

/** The policy that governs a service: of those that match, the highest priority, then the first name. */
export function selectPolicy(policies: Policy[], labels: ServiceLabels): Policy | undefined {
  if (policies.length === 0) return isOptedIn(labels.namespace) ? builtInPolicy : undefined
  return matchingPolicies(policies, labels)[0]
}

export interface ServiceLabels {
  namespace: Labels
  service: Labels
}

/** The policies whose scope and selectors match a service, the one that governs it first. */
export function matchingPolicies(policies: Policy[], labels: ServiceLabels): Policy[] {
  return policies
    .filter((policy) => isFor(policy, labels.namespace))
    .filter(({ spec }) => matchesSelector(spec.serviceSelector, labels.service))
    .toSorted((a, b) => b.spec.priority - a.spec.priority || (a.name < b.name ? -1 : 1))
}

/** Whether a namespace is looked into at all: it has opted in, or a policy is for it though it has not. */
export function isOpen(policies: Policy[], namespaceLabels: Labels): boolean {
  return isOptedIn(namespaceLabels) || policies.some((policy) => isFor(policy, namespaceLabels))
}

function isFor({ spec }: Policy, namespaceLabels: Labels): boolean {
  return isInScope(spec, namespaceLabels) && matchesSelector(spec.namespaceSelector, namespaceLabels)
}

/** Whether a policy leaves services as they are, and turns their pods. */
export function rewritesPods({ spec }: Policy): boolean {
  return spec.rewrite === 'Pod'
}
