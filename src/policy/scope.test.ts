import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { type Json, listAt, stringAt } from '../values/object.ts'
import { isNamespaceOptedOut, isSystemNamespace, labelsOf, optedIn, systemNamespaces } from './scope.ts'

test('namespaces of Kubernetes, KServe, Fluid and Warmgate are opted out, whatever their label is', () => {
  for (const name of [
    'kube-system',
    'kube-public',
    'kube-flannel',
    'kserve',
    'fluid-system',
    'warmgate-system',
  ])
    expect(isNamespaceOptedOut(labelsOf(name, optedIn({})))).toBe(true)
  for (const name of ['models', 'kubeflow-user', 'default']) expect(isSystemNamespace(name)).toBe(false)
  expect(isSystemNamespace('serving', ['serving'])).toBe(true)
})

test('the webhooks exempt the same namespaces', async () => {
  const file = new URL('../../manifests/base/webhook.yaml', import.meta.url)
  const webhooks = listAt(parse(await readFile(file, 'utf8')) as Json, 'webhooks')
  expect(webhooks).toHaveLength(3)
  for (const webhook of webhooks) {
    const [exempt, ...others] = listAt(webhook, 'namespaceSelector', 'matchExpressions')
    expect(exempt).toEqual({
      key: 'kubernetes.io/metadata.name',
      operator: 'NotIn',
      values: systemNamespaces,
    })
    expect(others).toEqual([])
    expect(stringAt(listAt(webhook, 'matchConditions')[0], 'expression')).toBe(
      "!request.namespace.startsWith('kube-')",
    )
  }
})
