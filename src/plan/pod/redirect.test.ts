import jsonPatch from 'fast-json-patch'
import { expect, test } from 'vitest'
import { cloneJson, type KubeObject } from '../../values/object.ts'
import { podSource, redirectPod } from './redirect.ts'

const name = 'internal.serving.kserve.io/storage-initializer-sourceuri'

function pod(annotations?: { [key: string]: string }): KubeObject {
  const metadata = { name: 'p', ...(annotations === undefined ? {} : { annotations }) }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: {} }
}

test('a pod’s source is what its storage initializer would read', () => {
  expect(podSource(pod({ [name]: 's3://models/llama' }))).toBe('s3://models/llama')
  expect(podSource(pod({ [name]: 'pvc://llama' }))).toBeUndefined()
  expect(podSource(pod({}))).toBeUndefined()
  expect(podSource(pod())).toBeUndefined()
})

test('a redirected pod reads from the claim; nothing else changes', () => {
  const before = pod({ [name]: 's3://models/llama', 'a/b': 'c' })
  const { pod: after, patch } = redirectPod(before, 'pvc://llama-0123456789/sub')
  expect(after).toEqual(
    pod({
      [name]: 'pvc://llama-0123456789/sub',
      'a/b': 'c',
      'warmgate.dev/caches': 'llama-0123456789',
    }),
  )
  expect(jsonPatch.applyPatch(cloneJson(before), patch, true, false).newDocument).toEqual(after)
  expect(patch).toHaveLength(2)
})
