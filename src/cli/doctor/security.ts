import { check, failed, nameOf, orOk } from './check.ts'
import { openNamespaces, policiesOf } from './facts.ts'

const enforceLabel = 'pod-security.kubernetes.io/enforce'

/** Fluid's pods are privileged, and run in the namespace of their service. */
export const security = check('security', ['namespaces', 'policies'], ({ namespaces, policies }) => {
  const open = openNamespaces(namespaces, policiesOf(policies))
  const findings = open.flatMap((namespace) => {
    const level = namespace.metadata.labels?.[enforceLabel]
    if (level !== 'baseline' && level !== 'restricted') return []
    return failed(
      `namespace ${nameOf(namespace)} enforces Pod Security ${level}: Fluid's pods are refused in it`,
      'share a Dataset of another namespace with it (sources[].dataset of a policy), or enforce privileged',
    )
  })
  return orOk(findings, `no namespace that is accelerated enforces baseline or restricted`)
})
