import { isSystemNamespace, labelProblem } from '../../policy/scope.ts'
import { accelerationLabel, isWarmgateKey, metricsLabel } from '../../values/keys.ts'
import type { KubeObject } from '../../values/object.ts'
import { quoted } from '../../values/text.ts'
import { check, type Finding, fullName, nameOf, orOk, some, warning } from './check.ts'

/** Opt-in labels that have no effect. */
export const labels = check('labels', ['namespaces', 'models'], ({ namespaces, models }) => {
  const optedIn = namespaces.filter(({ metadata }) => metadata.labels?.[accelerationLabel] === 'enabled')
  const findings = [...namespaces.flatMap(namespaceProblems), onServices(models), inSystemNamespaces(optedIn)]
  return orOk(findings, `opted in: ${some(optedIn.map(nameOf), 5) || 'no namespace'}`)
})

const enable = (name: string) => `kubectl label --overwrite namespace ${name} ${accelerationLabel}=enabled`

function namespaceProblems(namespace: KubeObject): (Finding | undefined)[] {
  const { labels: own = {}, annotations = {} } = namespace.metadata
  const name = nameOf(namespace)
  const problem = labelProblem(own)
  const known = [accelerationLabel, metricsLabel]
  const unknown = Object.keys(own).find((key) => looksLikeOurs(key) && !known.includes(key))
  const warn = (what: string) => warning(`namespace ${name}${what}`, enable(name))
  return [
    problem === undefined ? undefined : warn(`: ${problem}`),
    unknown === undefined ? undefined : warn(` has the label ${quoted(unknown)}, which does not exist`),
    annotations[accelerationLabel] === undefined
      ? undefined
      : warn(` has ${accelerationLabel} as an annotation: only a label counts`),
  ]
}

/** A key in Warmgate's domain, or one that was meant to be: `warmgate.io/acceleration`. */
function looksLikeOurs(key: string): boolean {
  return isWarmgateKey(key) || (/warmgate/i.test(key) && /accelerat/i.test(key))
}

/** On a service only the annotation has an effect, and it can only opt out. */
function onServices(services: KubeObject[]): Finding | undefined {
  const found = services.filter(({ metadata }) => Object.keys(metadata.labels ?? {}).some(isWarmgateKey))
  if (found.length === 0) return undefined
  return warning(
    `labels of Warmgate's are on services, where they have no effect: ${some(found.map(fullName))}`,
    `label their namespaces instead: ${enable(found[0]?.metadata.namespace ?? 'NAMESPACE')}`,
  )
}

function inSystemNamespaces(optedIn: KubeObject[]): Finding | undefined {
  const names = optedIn.map(nameOf).filter((name) => isSystemNamespace(name))
  if (names.length === 0) return undefined
  return warning(
    `${some(names)} is one of the cluster's own namespaces: nothing in it is accelerated`,
    'create services in another namespace',
  )
}
