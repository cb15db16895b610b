import { kserveNamespaces } from '../../cluster/kserve-installation.ts'
import { type Check, failed, ok, some, warning, withLists } from './check.ts'
import { deploymentNamed, kserveConfigOf, versionOf } from './facts.ts'

/** The minor versions of KServe 0 that were tested or reviewed: docs/compatibility.md. */
const [oldest, newest] = [12, 21]

export const kserve: Check = {
  name: 'KServe',
  run: (snapshot) => {
    if (!snapshot.served.has('serving.kserve.io/v1beta1/inferenceservices'))
      return failed('it is not installed: no InferenceServices are served', 'install KServe')
    const { kserveNamespace: named } = snapshot
    return withLists(snapshot, ['kserveConfigs', 'deployments'], ({ kserveConfigs, deployments }) => {
      const { config, namespace } = kserveConfigOf(kserveConfigs, named)
      if (namespace === undefined) {
        const elsewhere = kserveConfigs.map(({ metadata }) => metadata.namespace ?? '')
        const where = elsewhere.length === 0 ? 'in no namespace' : `in ${some(elsewhere)}`
        const todo = `run warmgate serve with --kserve-namespace ${elsewhere[0] ?? 'NAMESPACE'}`
        return failed(`its ConfigMap is ${where}, and not in ${kserveNamespaces(named).join(', ')}`, todo)
      }
      const version = versionOf(deploymentNamed(deployments, 'kserve-controller-manager'))
      const where = `${version ?? 'of unknown version'} in ${namespace}, ${config.deploymentMode || 'Knative'} by default`
      const minor = Number(/^v?0\.([0-9]+)/.exec(version ?? '')?.[1] ?? oldest)
      if (minor >= oldest && minor <= newest) return ok(where)
      return warning(`${where}: Warmgate knows 0.${oldest} to 0.${newest}`, 'see docs/compatibility.md')
    })
  },
}
