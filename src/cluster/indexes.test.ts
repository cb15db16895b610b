import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakePod } from './cluster.fake.ts'
import { byClaim, byDataset, byOwner } from './indexes.ts'

test('a DataLoad is found by its Dataset, a pod by its claims, an object by its owners', () => {
  const load = fakeDataLoad('Complete')
  const owners = [{ apiVersion: 'v1', kind: 'x', name: 'x', uid: 'u' }]
  expect(byDataset(load)).toEqual([`models/${cacheName}`])
  expect(byClaim(fakePod({ claims: ['b', 'a', 'b'] }))).toEqual(['models/b', 'models/a'])
  expect(byOwner({ ...load, metadata: { ...load.metadata, ownerReferences: owners } })).toEqual(['u'])
})

test('an object of no such form is found nowhere, and breaks nothing', () => {
  const odd = { apiVersion: 'v1', kind: 'x', metadata: { name: 'x', ownerReferences: null } }
  expect([byOwner, byClaim].map((index) => index(odd as never))).toEqual([[], []])
})
