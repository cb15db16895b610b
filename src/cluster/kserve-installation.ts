import { kserveConfigName } from '../kserve/config.ts'
import type { Reflector } from '../kube/reflector.ts'
import type { KubeObject } from '../values/object.ts'

/**
 * The namespaces of KServe's manifests, Open Data Hub, OpenShift AI and Kubeflow; the first with the
 * ConfigMap wins.
 */
const defaultNamespaces = ['kserve', 'opendatahub', 'redhat-ods-applications', 'kubeflow']

/**
 * The namespaces in which to search KServe's ConfigMap: the one that an administrator names, or the defaults.
 */
export function kserveNamespaces(named: string | undefined): readonly string[] {
  return named === undefined ? defaultNamespaces : [named]
}

/** The namespace of KServe, from its ConfigMap; without a ConfigMap the first of these namespaces. */
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
