import { setTimeout } from 'node:timers/promises'
import { loadKubeConfig } from '../kube/config.ts'
import { listInstalled } from '../kube/list.ts'
import { resources } from '../kube/resources.ts'
import { listServices } from '../restore/context.ts'
import { withCluster } from './cluster.ts'
import type { Lookup } from './completion.ts'
import type { ScopeFlags } from './conventions.ts'

const patienceMs = 3_000

/** Names for completion, from the cluster that the command line selects. */
export const lookupNames: Lookup = async (what, words) => {
  const flags = scopeOf(words)
  if (what === 'context')
    return loadKubeConfig({ kubeconfig: flags.kubeconfig })
      .getContexts()
      .map(({ name }) => name)
  return await withCluster(flags, async ({ client, namespace }) => {
    const listed =
      what === 'namespace'
        ? listInstalled(client, resources.namespace)
        : listServices({ client, scope: { namespace, services: [] } }).then((found) =>
            found.map(({ object }) => object),
          )
    const objects = await Promise.race([listed, setTimeout(patienceMs, [], { ref: false })])
    return objects.map(({ metadata }) => metadata.name ?? '')
  })
}

function scopeOf(words: readonly string[]): ScopeFlags {
  const given = (...flags: string[]) => {
    const at = words.findLastIndex((word) => flags.includes(word))
    return at < 0 ? undefined : words[at + 1]
  }
  return {
    kubeconfig: given('--kubeconfig'),
    context: given('--context'),
    namespace: given('-n', '--namespace'),
  }
}
