import { accelerationLabel } from '../values/keys.ts'
import type { PolicySpec } from './schema.ts'
import type { Labels } from './selector.ts'

/**
 * System namespaces, in addition to `kube-…`: nothing in them is accelerated. The selectors of the webhook
 * have the same list. A system namespace with another name can opt out with the label.
 */
export const systemNamespaces: readonly string[] = [
  'kserve',
  'opendatahub',
  'redhat-ods-applications',
  'fluid-system',
  'warmgate-system',
  'knative-serving',
  'knative-eventing',
  'istio-system',
  'cert-manager',
]

export function isSystemNamespace(name: string, more: readonly string[] = []): boolean {
  return name.startsWith('kube-') || systemNamespaces.includes(name) || more.includes(name)
}

/** Whether the label of a namespace opts in. */
export function isOptedIn(namespaceLabels: Labels): boolean {
  return namespaceLabels[accelerationLabel] === 'enabled'
}

/** Whether the label of a namespace opts out of policies with Cluster scope. */
export function isNamespaceOptedOut(namespaceLabels: Labels): boolean {
  return namespaceLabels[accelerationLabel] === 'disabled'
}

export function optedIn(namespaceLabels: Labels): Labels {
  return { ...namespaceLabels, [accelerationLabel]: 'enabled' }
}

/** The labels of a namespace. A system namespace always counts as opted out. */
export function labelsOf(name: string, labels: Labels = {}, more: readonly string[] = []): Labels {
  return isSystemNamespace(name, more) ? { ...labels, [accelerationLabel]: 'disabled' } : labels
}

/**
 * Whether a policy applies to a namespace with this label. An unknown value is not consent: `Disabled` was
 * probably meant to opt out.
 */
export function isInScope({ scope }: Pick<PolicySpec, 'scope'>, namespaceLabels: Labels): boolean {
  const value = namespaceLabels[accelerationLabel]
  return isOptedIn(namespaceLabels) || (scope === 'Cluster' && value === undefined)
}

/** What to correct if the label of a namespace is neither `enabled` nor `disabled`. */
export function labelProblem(namespaceLabels: Labels): string | undefined {
  const value = namespaceLabels[accelerationLabel]
  if (value === undefined || isOptedIn(namespaceLabels) || isNamespaceOptedOut(namespaceLabels))
    return undefined
  return `the namespace's label ${accelerationLabel}: ${JSON.stringify(value)} is neither enabled nor disabled: no new service is accelerated in this namespace`
}
