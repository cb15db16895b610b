import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { type KubeObject, listAt } from '../../values/object.ts'
import { parseManifests } from '../manifests.ts'
import { type Need, neededEverywhere, neededInOwnNamespace } from './needs.ts'

const file = new URL('../../../manifests/base/rbac.yaml', import.meta.url)
const roles = parseManifests('rbac.yaml', await readFile(file, 'utf8')).map(({ object }) => object)

const needed = (needs: readonly Need[]) =>
  needs.flatMap(({ group, resources, verbs, name = '' }) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource} ${name}`)),
  )

function granted(role: KubeObject | undefined): string[] {
  return listAt(role, 'rules').flatMap((rule) => {
    const names = listAt(rule, 'resourceNames')
    const all = (field: string) => listAt(rule, field).map(String)
    return all('apiGroups').flatMap((group) =>
      all('resources').flatMap((resource) =>
        all('verbs').flatMap((verb) =>
          (names.length === 0 ? [''] : names).map((name) => `${verb} ${group}/${resource} ${String(name)}`),
        ),
      ),
    )
  })
}

test.each([
  ['ClusterRole', neededEverywhere],
  ['Role', neededInOwnNamespace],
])('doctor asks for what the shipped %s grants', (kind, needs) => {
  const role = roles.find((each) => each.kind === kind && each.metadata.name === 'warmgate')
  expect(needed(needs).toSorted()).toEqual(granted(role).toSorted())
})
