import { KubeConfig } from '@kubernetes/client-node'

/** The cluster that KUBECONFIG names, or the one that this process runs in. Throws where there is neither. */
export function loadKubeConfig(): KubeConfig {
  const config = new KubeConfig()
  config.loadFromDefault()
  // What client-node makes up where it finds nothing.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw new Error('there is no cluster: run in one, or set KUBECONFIG')
  }
  return config
}
