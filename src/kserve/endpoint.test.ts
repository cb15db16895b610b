import { expect, test } from 'vitest'
import { endpointProblem } from './endpoint.ts'

test.each([
  '',
  'minio:9000',
  'minio_1.store:9000',
  'https://s3.eu-west-1.amazonaws.com',
  'HTTP://10.0.0.1:9000/',
  'https://[fd00::1]:9000',
  'oss-cn-hangzhou-internal.aliyuncs.com',
  'https://store.example.com./a/prefix',
])('%j is an endpoint', (url) => {
  expect(endpointProblem({ url }, 'Secret a')).toBeUndefined()
})

test.each([
  's3://models/llama',
  'https://s3://models/llama',
  'http://https://minio:9000',
  'https://',
  'https:///models',
  'ftp://minio',
  'minio:',
  'minio:0',
  'minio:65536',
  'minio:9000:9000',
  ':9000',
  '-minio',
  '/models',
  '[minio]',
  '[:::]',
  'http://a..b',
  'a-.store',
  `${'a'.repeat(64)}.store`,
  'https://minio//:9000/]',
])('%j is refused, and not repeated', (url) => {
  expect(endpointProblem({ url }, 'Secret a')).toBe(
    'Secret a names an invalid endpoint: use a host, e.g. minio.store:9000 or https://s3.example.com',
  )
})

test.each(['minio;id', 'minio name', 'a@minio', 'minio$x'])('%j is not safe', (url) => {
  expect(endpointProblem({ url }, 'Secret a')).toContain('cannot carry safely')
})
