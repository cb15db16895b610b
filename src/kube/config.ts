import { KubeConfig } from '@kubernetes/client-node'

/** The cluster that KUBECONFIG names, or the cluster of this process. Throws if there is neither. */
export function loadKubeConfig(): KubeConfig {
  const config = new KubeConfig()
  config.loadFromDefault()
  // The default of client-node when it finds no configuration.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw new Error('there is no cluster: run in one, or set KUBECONFIG')
  }
  return config
}
