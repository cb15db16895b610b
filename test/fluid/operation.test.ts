import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../../src/values/object.ts'
import { withOperation, withoutOperation } from './operation.ts'

function datasetWith(status: JsonObject): KubeObject {
  return { apiVersion: '', kind: 'Dataset', metadata: {}, status }
}

test('DataLoads that run at once are a list with commas', () => {
  const one = withOperation(datasetWith({ phase: 'Bound' }), 'one')
  expect(one).toEqual({ phase: 'Bound', operationRef: { DataLoad: 'one' } })
  const both = withOperation(datasetWith(one), 'two')
  expect(both).toEqual({ phase: 'Bound', operationRef: { DataLoad: 'one,two' } })
  expect(withOperation(datasetWith(both), 'one')).toEqual(both)
})

test('the last one leaves nothing behind, but what is not a DataLoad', () => {
  const last = datasetWith({ phase: 'Bound', operationRef: { DataLoad: 'one' } })
  expect(withoutOperation(last, 'other')).toEqual(last.status)
  expect(withoutOperation(last, 'one')).toEqual({ phase: 'Bound' })
  const backedUp = datasetWith({ operationRef: { DataLoad: 'one', DataBackup: 'b' } })
  expect(withoutOperation(backedUp, 'one')).toEqual({ operationRef: { DataBackup: 'b' } })
})
