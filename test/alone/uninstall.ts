import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { parseManifests } from '../../src/cli/manifests.ts'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { isOurs } from '../../src/fluid/dataset.ts'
import { listInstalled } from '../../src/kube/list.ts'
import { resources } from '../../src/kube/resources.ts'
import { isHeld } from '../../src/plan/pod/pod.ts'
import { type Json, type KubeObject, keyOf, listAt } from '../../src/values/object.ts'
import { applyAll, readObjects, resourceOf } from '../cluster/objects.ts'
import type { BareCluster } from '../warmgate/test-cluster.ts'

const page = await readFile(new URL('../../docs/uninstall.md', import.meta.url), 'utf8')
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** The block of a language that begins with a word. */
function block(language: string, word = ''): string {
  const found = new RegExp(`\`\`\`${language}\n(${word}[^\`]*)\`\`\``).exec(page)?.[1]
  if (found === undefined) throw new Error(`docs/uninstall.md has no ${language}`)
  return found
}

/** The commands of the page that uninstall Warmgate, one per line. */
export const commands: string[] = block('sh', 'kubectl').trim().split('\n')

/** A kubeconfig of a user with exactly the rights that the page lists. */
export async function restorer({ client, cluster }: BareCluster): Promise<string> {
  const account = { namespace: 'default', name: 'restorer' }
  const [role] = parseManifests('docs/uninstall.md', block('yaml')).map(({ object }) => object)
  if (role === undefined) throw new Error('docs/uninstall.md has no role')
  const apiGroup = 'rbac.authorization.k8s.io'
  await applyAll(client, [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account },
    role,
    {
      apiVersion: `${apiGroup}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'restorer' },
      roleRef: { apiGroup, kind: 'ClusterRole', name: role.metadata.name ?? '' },
      subjects: [{ kind: 'ServiceAccount', ...account }],
    },
  ])
  return await cluster.kubeconfigFor(account)
}

export interface Shell {
  bare: BareCluster
  /** The kubeconfig for `warmgate`; kubectl runs as an administrator. */
  kubeconfig: string
}

/**
 * Runs one command of the page; supports the kubectl commands that the page uses. Resolves with the output.
 */
export async function run(command: string, shell: Shell): Promise<string> {
  const [program = '', ...words] = command.split(/ +/)
  if (program === 'warmgate') return await warmgate(words, shell)
  const flags = new Map(
    words.flatMap((word, index) => (word.startsWith('-') ? [[word, words[index + 1] ?? '']] : [])) as [
      string,
      string,
    ][],
  )
  const [verb, kind = '', name = ''] = words
  if (program !== 'kubectl' || verb !== 'delete') throw new Error(`this shell does not know: ${command}`)
  const folder = flags.get('-k')
  const namespace = flags.get('--namespace')
  const objects =
    folder === undefined
      ? [{ ...kinds[kind], metadata: { name, ...(namespace && { namespace }) } } as KubeObject]
      : await kustomized(folder)
  for (const object of objects) await shell.bare.client.delete(resourceOf(object), keyOf(object))
  return ''
}

const kinds: { [word: string]: { apiVersion: string; kind: string } } = {
  deployment: { apiVersion: 'apps/v1', kind: 'Deployment' },
  mutatingwebhookconfiguration: {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
  },
}

/** Runs `warmgate` as a separate process. Rejects if the exit status is not 0. */
export async function warmgate(words: string[], { bare, kubeconfig }: Shell): Promise<string> {
  const env = { ...process.env, KUBECONFIG: kubeconfig }
  const running = promisify(execFile)(process.execPath, [main, ...words], { env })
  const log = createWriteStream(join(bare.cluster.dir, 'restore.log'), { flags: 'a' })
  running.child.stdout?.pipe(log)
  return (await running).stdout
}

async function kustomized(folder: string): Promise<KubeObject[]> {
  const file = new URL(`../../${folder}/kustomization.yaml`, import.meta.url)
  const files = listAt(parse(await readFile(file, 'utf8')) as Json, 'resources') as string[]
  return (await Promise.all(files.map((each) => readObjects(`${folder}/${each}`)))).flat()
}

/** Describes the remaining objects and fields of Warmgate; empty if there are none. */
export async function remains({ client }: BareCluster): Promise<string[]> {
  const { dataLoad, dataset, inferenceService, mutatingWebhookConfiguration, namespace, pod } = resources
  const kinds = [dataset, dataLoad, ...Object.values(runtimeResources)]
  const fluids = (await Promise.all(kinds.map((kind) => listInstalled(client, kind)))).flat()
  const services = (await client.list(inferenceService)).items
  const pods = (await client.list(pod)).items.filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  )
  const installed = await Promise.all([
    client.get(mutatingWebhookConfiguration, { name: 'acceleration.warmgate.dev' }),
    client.get(namespace, { name: 'warmgate-system' }),
  ])
  const isWritten = ({ metadata }: KubeObject) =>
    Object.keys(metadata.annotations ?? {}).some((name) => name.startsWith('warmgate.dev/'))
  return [
    ...installed.filter((object) => object !== undefined),
    ...fluids.filter(isOurs),
    ...services.filter(isWritten),
    ...pods.filter((each) => isHeld(each) || isWritten(each)),
  ].map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`)
}
