import { kserveConfigName } from '../kserve/config.ts'
import type { Reflector } from '../kube/reflector.ts'
import type { KubeObject } from '../values/object.ts'

/** Where KServe's own manifests, Open Data Hub, OpenShift AI and Kubeflow install KServe; the first that has it counts. */
const defaultNamespaces = ['kserve', 'opendatahub', 'redhat-ods-applications', 'kubeflow']

/** Where KServe's ConfigMap is looked for: in the namespace that an administrator names, or in the usual ones. */
export function kserveNamespaces(named: string | undefined): readonly string[] {
  return named === undefined ? defaultNamespaces : [named]
}

/** Where KServe is installed, by its ConfigMap; without one it is taken to be in the first of these namespaces. */
export interface KserveInstallation {
  namespace: string
  configMap: KubeObject | undefined
}

export function findKserve(
  { configMaps }: { configMaps: Pick<Reflector, 'get'> },
  named: string | undefined,
): KserveInstallation {
  const namespaces = kserveNamespaces(named)
  const found = namespaces
    .map((namespace) => ({ namespace, configMap: configMaps.get({ namespace, name: kserveConfigName }) }))
    .find(({ configMap }) => configMap !== undefined)
  return found ?? { namespace: namespaces[0] ?? '', configMap: undefined }
}
