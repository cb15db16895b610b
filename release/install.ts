import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { imageName } from './image.ts'
import { readVersion, root } from './version.ts'

/**
 * install.yaml: the files of manifests/base in the order of its kustomization, with their comments.
 * @param image in place of `warmgate:<version>`, e.g. where a registry has it
 */
export async function installText(image?: string): Promise<string> {
  const base = new URL('manifests/base/', root)
  const kustomization = await readFile(new URL('kustomization.yaml', base), 'utf8')
  const { resources } = parse(kustomization) as { resources: string[] }
  const files = await Promise.all(resources.map((name) => readFile(new URL(name, base), 'utf8')))
  const version = await readVersion()
  const text = [`# Warmgate ${version}: kubectl apply --server-side -f install.yaml\n`, ...files].join(
    '---\n',
  )
  const shipped = `image: ${imageName}:${version}\n`
  if (!text.includes(shipped))
    throw new Error(`manifests/base/deployment.yaml does not have ${shipped.trim()}`)
  return image === undefined ? text : text.replace(shipped, `image: ${image}\n`)
}
