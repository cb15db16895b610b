import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { webhookSelects } from './webhook-scope.ts'

function configuration(selector: JsonObject): KubeObject {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'acceleration.warmgate.dev' },
    webhooks: [{ namespaceSelector: selector }],
  }
}

test('the selectors of the webhook decide which namespaces it receives', () => {
  const notIn = { key: 'warmgate.dev/acceleration', operator: 'NotIn', values: ['disabled'] }
  const wide = configuration({ matchExpressions: [notIn] })
  const narrow = configuration({ matchLabels: { 'warmgate.dev/acceleration': 'enabled' } })
  const [silent, enabled, disabled] = [{}, { [notIn.key]: 'enabled' }, { [notIn.key]: 'disabled' }]
  expect([silent, enabled, disabled].map((labels) => webhookSelects(wide, labels))).toEqual([
    true,
    true,
    false,
  ])
  expect([silent, enabled, disabled].map((labels) => webhookSelects(narrow, labels))).toEqual([
    false,
    true,
    false,
  ])
  expect(webhookSelects(undefined, enabled)).toBe(false)
})
