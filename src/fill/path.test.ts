import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isLoadable } from '../fluid/name.ts'
import { fillPath, withoutCredentials } from './path.ts'

const own = { namespace: 'team-a', identity: ['reader'] }

test.each([
  ['hf://meta-llama/Llama-3.1-8B', undefined, 'hf/meta-llama/Llama-3.1-8B@'],
  ['hf://meta-llama/Llama-3.1-8B:v1.0', undefined, 'hf/meta-llama/Llama-3.1-8B@v1.0@'],
  ['hf://meta-llama/Llama-3.1-8B@v1.0', undefined, 'hf/meta-llama/Llama-3.1-8B=40v1.0@'],
  ['https://example.com:8443/a/model.tar.gz', undefined, 'https/example.com=3A8443/a/model.tar.gz@'],
  ['https://example.com/a//b c/.hidden', undefined, 'https/example.com/a/=0/b=20c/=2Ehidden@'],
])('%s: %j', (uri, owner, path) => {
  expect(fillPath(uri, owner)).toBe(path)
})

test('the path of a namespace’s own copy has its name, and differs by credentials', () => {
  const path = fillPath('s3://models/llama.joblib', own)
  expect(path).toMatch(/^s3\/models\/llama\.joblib@@team-a\.[0-9a-f]{10}$/)
  expect(fillPath('s3://models/llama.joblib', { ...own, namespace: 'team-b' })).not.toBe(path)
  expect(fillPath('s3://models/llama.joblib', { ...own, identity: ['other'] })).not.toBe(path)
})

test('a query is in the path by its hash alone: it may hold a credential', () => {
  const uri = 'https://example.com/model.joblib?X-Amz-Signature=abcdef'
  expect(fillPath(uri, undefined)).toMatch(/^https\/example\.com\/model\.joblib@=q[0-9a-f]{32}@$/)
  expect(fillPath(`${uri}0`, undefined)).not.toBe(fillPath(uri, undefined))
  expect(withoutCredentials(uri)).toBe('https://example.com/model.joblib')
})

test('a path is bounded', () => {
  const long = fillPath(`https://example.com/${'a/'.repeat(400)}b`, undefined)
  expect(long).toMatch(/^\.long\/[0-9a-f]{64}@$/)
  expect(fillPath(`hf://org/${'a'.repeat(300)}`, undefined)).toMatch(/^\.long\//)
  expect(fillPath(`hf://org/${'a'.repeat(300)}b`, undefined)).not.toBe(
    fillPath(`hf://org/${'a'.repeat(301)}`, undefined),
  )
})

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: fc.constantFrom('.', '@', ':', '=', 'a', '~', '?', '#', '2', 'E'), maxLength: 8 }),
)
const uris = fc
  .tuple(fc.constantFrom('hf', 's3', 'https', 'gs'), fc.array(text, { minLength: 1, maxLength: 4 }))
  .map(([scheme, segments]) => `${scheme}://${segments.map((each) => each.replaceAll('/', '')).join('/')}`)
const owners = fc.option(
  fc.record({ namespace: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/), identity: fc.string() }),
  { nil: undefined },
)

test('property: a path never leaves the mirror, and a mount can carry it', () => {
  fc.assert(
    fc.property(uris, owners, (uri, owner) => {
      const path = fillPath(uri, owner)
      expect(isLoadable(path)).toBe(true)
      expect(path.split('/').every((segment) => !segment.startsWith('.') || segment === '.long')).toBe(true)
      expect(path.length).toBeLessThanOrEqual(512)
    }),
  )
})

test('property: two sources or revisions never share a directory, and none is inside another', () => {
  fc.assert(
    fc.property(uris, uris, owners, owners, (a, b, ownerA, ownerB) => {
      const isSame = a === b && JSON.stringify(ownerA) === JSON.stringify(ownerB)
      // `model:` is no revision to KServe, and so the same as `model`.
      fc.pre(!isSame && ![a, b].some((uri) => /:$/.test(uri) || /:[?#]/.test(uri)))
      const [one, other] = [fillPath(a, ownerA), fillPath(b, ownerB)]
      expect(one).not.toBe(other)
      expect(one.startsWith(`${other}/`) || other.startsWith(`${one}/`)).toBe(false)
    }),
    { numRuns: 2_000 },
  )
})
