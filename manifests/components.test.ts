import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import jsonPatch from 'fast-json-patch'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { kserveNamespaces } from '../src/cluster/kserve-installation.ts'
import { getIn, type Json, listAt, stringAt } from '../src/values/object.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const read = async (file: string) => parse(await readFile(`${here}${file}`, 'utf8')) as Json

test('a component for each other namespace of KServe names it to Warmgate', async () => {
  const found: string[] = []
  for await (const file of glob('components/kserve-in-*/kustomization.yaml', { cwd: here })) {
    const [, namespace = ''] = /kserve-in-([^/]+)/.exec(file) ?? []
    const deployment = await read('base/deployment.yaml')
    const [{ target, patch } = {} as never] = listAt(await read(file), 'patches') as {
      target: Json
      patch: string
    }[]
    expect(target).toEqual({
      kind: stringAt(deployment, 'kind'),
      name: stringAt(deployment, 'metadata', 'name'),
    })
    jsonPatch.applyPatch(deployment, parse(patch), true)
    const args = getIn(deployment, 'spec', 'template', 'spec', 'containers', 0, 'args')
    expect(args).toEqual(['serve', `--kserve-namespace=${namespace}`])
    found.push(namespace)
  }
  expect(['kserve', ...found].toSorted()).toEqual(kserveNamespaces(undefined).toSorted())
})
