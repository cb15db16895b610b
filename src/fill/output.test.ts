import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { lastLines, masked } from './output.ts'

const pod = (status: JsonObject, creationTimestamp = '2026-01-01T00:00:00Z'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', creationTimestamp },
  status,
})
const failed = (message: string) => ({ name: 'c', state: { terminated: { exitCode: 1, message } } })

test('the last lines of the newest pod, in one line', () => {
  const old = pod({ initContainerStatuses: [failed('old')] })
  const text = 'one\ntwo\n\nthree\nfour: no such model\n'
  const last = pod({ initContainerStatuses: [{ name: 'a' }, failed(text)] }, '2026-01-02T00:00:00Z')
  expect(lastLines([old, last])).toBe('two | three | four: no such model')
  expect(lastLines([])).toBeUndefined()
  expect(lastLines([pod({})])).toBeUndefined()
})

test('they are bounded, and hold no control characters', () => {
  const lines = lastLines([pod({ containerStatuses: [failed(`x\u001b[31m${'y '.repeat(9_000)}`)] })]) ?? ''
  expect(lines.length).toBeLessThanOrEqual(600)
  expect(lines).not.toContain('\u001b')
})

test.each([
  ['token hf_AbCdEfGhIjKlMn is not valid', 'hf_AbCdEfGhIjKlMn'],
  ['GET https://b.s3.amazonaws.com/m?X-Amz-Signature=0011223344: 403', '0011223344'],
  ['clone of https://user:pass1@git.example.com/m.git failed', 'pass1'],
  ['Authorization: Bearer abc.def-ghi', 'abc.def-ghi'],
  ['{"secret_access_key": "wJalrXUtnFEMI"}', 'wJalrXUtnFEMI'],
  ['AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI', 'wJalrXUtnFEMI'],
  ['key AKIAIOSFODNN7EXAMPLE does not exist', 'AKIAIOSFODNN7EXAMPLE'],
  [`sent ${'Ab0/'.repeat(12)} to it`, 'Ab0/Ab0/'],
])('%s: the credential is masked', (text, secret) => {
  expect(masked(text)).not.toContain(secret)
  expect(masked(text)).toContain('***')
})

test('what is no credential stays', () => {
  const text = 'Failed to fetch model. No model found in models/llama.'
  expect(masked(text)).toBe(text)
})
