import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { type Json, listAt } from '../values/object.ts'

test('services and pods are all that is ever sent here: no TrainedModel, no InferenceGraph, no status', async () => {
  const file = new URL('../../manifests/base/webhook.yaml', import.meta.url)
  const configuration = parse(await readFile(file, 'utf8')) as Json
  const rules = listAt(configuration, 'webhooks').flatMap((webhook) => listAt(webhook, 'rules'))
  const sent = rules.flatMap((rule) => listAt(rule, 'resources'))
  expect([...new Set(sent)].toSorted()).toEqual(['inferenceservices', 'llminferenceservices', 'pods'])
})
