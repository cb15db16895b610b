import { accelerationLabel } from '../values/keys.ts'
import type { PolicySpec } from './schema.ts'
import type { Labels } from './selector.ts'

/**
 * Namespaces of the cluster's own, besides all of `kube-…`: nothing in them is ever accelerated. The webhook's
 * selectors list the same. What is installed under another name opts out by its label.
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

/** A namespace opts in with a label, */
export function isOptedIn(namespaceLabels: Labels): boolean {
  return namespaceLabels[accelerationLabel] === 'enabled'
}

/** or out of what is for the whole cluster. */
export function isNamespaceOptedOut(namespaceLabels: Labels): boolean {
  return namespaceLabels[accelerationLabel] === 'disabled'
}

export function optedIn(namespaceLabels: Labels): Labels {
  return { ...namespaceLabels, [accelerationLabel]: 'enabled' }
}

/** A namespace of the cluster's own has opted out, whatever its labels say. */
export function labelsOf(name: string, labels: Labels = {}, more: readonly string[] = []): Labels {
  return isSystemNamespace(name, more) ? { ...labels, [accelerationLabel]: 'disabled' } : labels
}

/**
 * Whether a policy reaches into a namespace, by the namespace's own word. A word that is not understood is not consent:
 * whoever wrote `Disabled` meant to opt out.
 */
export function isInScope({ scope }: Pick<PolicySpec, 'scope'>, namespaceLabels: Labels): boolean {
  const said = namespaceLabels[accelerationLabel]
  return isOptedIn(namespaceLabels) || (scope === 'Cluster' && said === undefined)
}

/** What to correct in a namespace whose label says neither that it opts in nor that it opts out. */
export function labelProblem(namespaceLabels: Labels): string | undefined {
  const said = namespaceLabels[accelerationLabel]
  if (said === undefined || isOptedIn(namespaceLabels) || isNamespaceOptedOut(namespaceLabels))
    return undefined
  return `the namespace's label ${accelerationLabel}: ${JSON.stringify(said)} is neither enabled nor disabled: nothing new is accelerated in it`
}
