import { execFile } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseManifests } from '../../src/cli/manifests.ts'
import type { KubeObject } from '../../src/values/object.ts'
import { provideBinaries } from '../cluster/binaries.ts'
import { renderPrograms } from '../cluster/upstreams.ts'

const run = promisify(execFile)
const longest = 2 ** 26
export const manifests = fileURLToPath(new URL('../../manifests/', import.meta.url))

/** The objects of a folder, as the real kustomize builds them. */
export async function kustomize(folder: string): Promise<KubeObject[]> {
  return parse('kustomize build', await runProgram('kustomize', ['build', folder]))
}

/** Base with components, in a kustomization as a user writes it. @param folder where it may be written */
export async function withComponents(folder: string, names: readonly string[]): Promise<KubeObject[]> {
  const root = await mkdtemp(join(folder, 'kustomization-'))
  const path = (name: string) => relative(root, join(manifests, name))
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [path('base')],
    components: names.map((name) => path(`components/${name}`)),
  }
  await writeFile(join(root, 'kustomization.yaml'), JSON.stringify(kustomization))
  return kustomize(root)
}

/** The chart, as the real Helm renders it. @param folder where its values may be written */
export async function helm(
  folder: string,
  values: object = {},
  namespace = 'warmgate-system',
): Promise<KubeObject[]> {
  const file = join(await mkdtemp(join(folder, 'values-')), 'values.json')
  await writeFile(file, JSON.stringify(values))
  const where = ['--namespace', namespace, '--kube-version', '1.36.0']
  const chart = join(manifests, 'chart')
  const args = ['template', 'warmgate', chart, ...where, '--values', file]
  return parse('helm', await runProgram('ddc-helm', args))
}

/** What a program for rendering prints. */
export async function runProgram(name: (typeof renderPrograms)[number], args: string[]): Promise<string> {
  const binaries = await provideBinaries({ programs: renderPrograms })
  const { stdout } = await run(binaries.path(name), args, { maxBuffer: longest })
  return stdout
}

export function parse(name: string, text: string): KubeObject[] {
  return parseManifests(name, text).map(({ object }) => object)
}
