import { KubeConfig } from '@kubernetes/client-node'

/** No cluster is configured, or not the requested one. */
export class KubeConfigError extends Error {
  readonly code = 'WG011'
}

/** Which cluster to use. Without a file: KUBECONFIG, ~/.kube/config, or the cluster of this process. */
export interface ClusterChoice {
  kubeconfig?: string | undefined
  context?: string | undefined
}

/** Reads the kubeconfig and selects the context. Throws a `KubeConfigError`. */
export function loadKubeConfig({ kubeconfig, context }: ClusterChoice = {}): KubeConfig {
  const config = new KubeConfig()
  try {
    if (kubeconfig === undefined) config.loadFromDefault()
    else config.loadFromFile(kubeconfig)
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new KubeConfigError(`the kubeconfig cannot be read: ${problem}`, { cause: error })
  }
  // Before the context: without any configuration, client-node makes one with a context of its own.
  if (hasNoCluster(config, context)) {
    const advice = 'name one with --context or --kubeconfig, or set KUBECONFIG'
    throw new KubeConfigError(`there is no cluster: ${advice}`)
  }
  if (context !== undefined) selectContext(config, context)
  return config
}

function hasNoCluster(config: KubeConfig, context: string | undefined): boolean {
  const server = config.getCurrentCluster()?.server
  return server === 'http://localhost:8080' || (server === undefined && context === undefined)
}

function selectContext(config: KubeConfig, context: string): void {
  const names = config.getContexts().map(({ name }) => name)
  if (!names.includes(context))
    throw new KubeConfigError(`there is no context ${context}: use one of ${names.slice(0, 20).join(', ')}`)
  config.setCurrentContext(context)
}

/** The namespace of the selected context, as kubectl takes it. */
export function contextNamespace(config: KubeConfig): string {
  return config.getContextObject(config.getCurrentContext())?.namespace || 'default'
}
