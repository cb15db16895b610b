import { readdirSync, readFileSync } from 'node:fs'
import Type from 'typebox'
import Value from 'typebox/value'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { cacheRuntime } from './cacheruntime.ts'

/*
 * The fields of a CacheRuntime that Warmgate writes, as Fluid 1.1 declares them
 * (api/v1alpha1/cacheruntime_types.go at a826600). Fluid 1.0.8 has no such kind.
 */
const closed = { additionalProperties: false }
const quantity = Type.String({ pattern: '^[0-9]+(\\.[0-9]+)?([KMGTPE]i?|m)?$' })
const levels = Type.Array(
  Type.Object(
    {
      processMemory: Type.Optional(Type.Object({ quota: quantity }, closed)),
      emptyDir: Type.Optional(
        Type.Object({ quota: quantity, medium: Type.Optional(Type.Literal('Memory')) }, closed),
      ),
      hostPath: Type.Optional(
        Type.Object(
          {
            paths: Type.Array(Type.String(), { minItems: 1 }),
            quotas: Type.Array(quantity, { minItems: 1 }),
          },
          closed,
        ),
      ),
      high: Type.Optional(Type.String()),
      low: Type.Optional(Type.String()),
    },
    closed,
  ),
)
const pods = {
  nodeSelector: Type.Optional(Type.Record(Type.String(), Type.String())),
  tolerations: Type.Optional(Type.Array(Type.Object({}))),
}
const specSchema = Type.Object(
  {
    runtimeClassName: Type.String(),
    master: Type.Optional(Type.Object(pods, closed)),
    worker: Type.Object(
      { ...pods, replicas: Type.Integer({ minimum: 0 }), tieredStore: Type.Object({ levels }, closed) },
      closed,
    ),
    client: Type.Optional(Type.Object({ cleanPolicy: Type.Enum(['OnRuntimeDeleted', 'OnDemand']) }, closed)),
  },
  closed,
)

const folder = new URL('golden/', import.meta.url)
const specs = readdirSync(folder).flatMap((file) =>
  parseAllDocuments(readFileSync(new URL(file, folder), 'utf8'))
    .map((document) => document.toJS() as { kind: string; spec: unknown })
    .filter(({ kind }) => kind === cacheRuntime.kind)
    .map(({ spec }) => [file, spec] as const),
)

test('there are golden files of every medium', () => {
  for (const medium of ['processMemory', 'emptyDir', 'hostPath'])
    expect(JSON.stringify(specs)).toContain(`"${medium}"`)
})

test.each(specs)('golden/%s is a CacheRuntime of Fluid 1.1', (_, spec) => {
  expect(Value.Errors(specSchema, spec)).toEqual([])
  if (!Value.Check(specSchema, spec)) throw new Error('not checked')
  for (const { processMemory, emptyDir, hostPath } of spec.worker.tieredStore.levels) {
    // Fluid refuses a level of two media, and as many quotas as there are no paths.
    expect([processMemory, emptyDir, hostPath].filter((medium) => medium !== undefined)).toHaveLength(1)
    expect(hostPath?.quotas.length).toBe(hostPath?.paths.length)
  }
})
