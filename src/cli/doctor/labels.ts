import { isSystemNamespace, labelProblem } from '../../policy/scope.ts'
import { accelerationLabel, isWarmgateKey, metricsLabel } from '../../values/keys.ts'
import type { KubeObject } from '../../values/object.ts'
import { quoted } from '../../values/text.ts'
import { type Check, type Finding, fullName, nameOf, orOk, some, warning, withLists } from './check.ts'

/** Opt-in labels that have no effect. */
export const labels: Check = {
  name: 'labels',
  run: (snapshot) =>
    withLists(snapshot, ['namespaces', 'models'], ({ namespaces, models }) => {
      const optedIn = namespaces.filter(({ metadata }) => metadata.labels?.[accelerationLabel] === 'enabled')
      const findings = [
        ...namespaces.flatMap(namespaceProblems),
        ...onServices(models),
        ...(optedIn.some(({ metadata }) => isSystemNamespace(metadata.name ?? ''))
          ? [systemNamespace(optedIn)]
          : []),
      ]
      return orOk(findings, `opted in: ${some(optedIn.map(nameOf), 5) || 'no namespace'}`)
    }),
}

const enable = (name: string) => `kubectl label --overwrite namespace ${name} ${accelerationLabel}=enabled`

function namespaceProblems(namespace: KubeObject): Finding[] {
  const { labels: own = {}, annotations = {} } = namespace.metadata
  const name = nameOf(namespace)
  const problem = labelProblem(own)
  const unknown = Object.keys(own).filter(
    (key) =>
      (isWarmgateKey(key) || /warmgate/i.test(key)) && key !== accelerationLabel && key !== metricsLabel,
  )
  return [
    ...(problem === undefined ? [] : [warning(`namespace ${name}: ${problem}`, enable(name))]),
    ...(unknown[0] === undefined
      ? []
      : [
          warning(
            `namespace ${name} has the label ${quoted(unknown[0])}, which does not exist`,
            enable(name),
          ),
        ]),
    ...(annotations[accelerationLabel] === undefined
      ? []
      : [
          warning(
            `namespace ${name} has ${accelerationLabel} as an annotation: only a label counts`,
            enable(name),
          ),
        ]),
  ]
}

/** On a service only the annotation has an effect, and it can only opt out. */
function onServices(services: KubeObject[]): Finding[] {
  const found = services.filter(({ metadata }) => Object.keys(metadata.labels ?? {}).some(isWarmgateKey))
  if (found.length === 0) return []
  return [
    warning(
      `labels of Warmgate's are on services, where they have no effect: ${some(found.map(fullName))}`,
      `label their namespaces instead: ${enable(found[0]?.metadata.namespace ?? 'NAMESPACE')}`,
    ),
  ]
}

function systemNamespace(optedIn: KubeObject[]): Finding {
  const names = optedIn.map(nameOf).filter((name) => isSystemNamespace(name))
  return warning(
    `${some(names)} is one of the cluster's own namespaces: nothing in it is accelerated`,
    'create services in another namespace',
  )
}
