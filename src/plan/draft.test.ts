import jsonPatch from 'fast-json-patch'
import { describe, expect, test } from 'vitest'
import type { Json, KubeObject } from '../values/object.ts'
import { Draft, type PatchOperation, pointer, steps } from './draft.ts'

const base: KubeObject = {
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name: 'a' },
  spec: { list: [{ name: 'first' }, { name: 'second', value: 'x' }], empty: {}, nothing: null },
}

/**
 * The patch of an edit. Checks that applying it gives the draft's object, and that the original is unchanged.
 */
function edited(edit: (draft: Draft) => void, original = base): PatchOperation[] {
  const before = structuredClone(original)
  const draft = new Draft(original)
  edit(draft)
  const patch = draft.patch()
  const applied = jsonPatch.applyPatch(structuredClone(original), patch, true, false).newDocument
  expect(applied).toEqual(draft.object)
  expect(original).toEqual(before)
  return patch
}

test('a pointer escapes what its own signs are', () => {
  expect(pointer('metadata', 'annotations', 'a.b/c~d')).toBe('/metadata/annotations/a.b~1c~0d')
  expect(pointer('~1', '/')).toBe('/~01/~1')
  expect(steps('/metadata/annotations/a.b~1c~0d')).toEqual(['metadata', 'annotations', 'a.b/c~d'])
  expect(steps('/~01/~1')).toEqual(['~1', '/'])
  expect(pointer()).toBe('')
})

test('nothing edited, nothing to patch', () => {
  expect(edited(() => {})).toEqual([])
})

test('a value is replaced, in a list element by its index', () => {
  expect(edited((draft) => draft.set('/spec/list/1/value', 'y'))).toEqual([
    { op: 'replace', path: '/spec/list/1/value', value: 'y' },
  ])
})

test('a value is added if its parent exists', () => {
  expect(edited((draft) => draft.set('/spec/empty/a~1b', 1))).toEqual([
    { op: 'add', path: '/spec/empty/a~1b', value: 1 },
  ])
})

test('missing parents are added whole, once, and named outermost first', () => {
  const made: string[][] = []
  const patch = edited((draft) => {
    made.push(draft.set('/spec/list/0/resources/limits/gpu', '1'))
    made.push(draft.set('/spec/list/0/resources/requests/gpu', '1'))
  })
  expect(patch).toEqual([
    {
      op: 'add',
      path: '/spec/list/0/resources',
      value: { limits: { gpu: '1' }, requests: { gpu: '1' } },
    },
  ])
  expect(made).toEqual([
    ['/spec/list/0/resources', '/spec/list/0/resources/limits'],
    ['/spec/list/0/resources/requests'],
  ])
})

test('a null is no parent: it is replaced by one', () => {
  expect(edited((draft) => draft.set('/spec/nothing/a', 1))).toEqual([
    { op: 'add', path: '/spec/nothing', value: { a: 1 } },
  ])
})

test('a change that is undone gives no patch', () => {
  const patch = edited((draft) => {
    draft.set('/spec/list/1/value', 'y')
    draft.set('/spec/list/1/value', 'x')
    draft.set('/spec/new/field', 1)
    draft.remove('/spec/new/field')
    draft.removeIfEmpty('/spec/new')
    draft.remove('/spec/empty')
    draft.set('/spec/empty', {})
  })
  expect(patch).toEqual([])
})

test('a path that is edited twice is patched once', () => {
  const patch = edited((draft) => {
    draft.set('/spec/list/1/value', 'y')
    draft.set('/spec/list/1/value', 'z')
  })
  expect(patch).toEqual([{ op: 'replace', path: '/spec/list/1/value', value: 'z' }])
})

test('a removal takes the field alone, or the object above it where that goes too', () => {
  const original = { ...base, spec: { a: { b: { c: 1 } }, d: 1 } }
  expect(edited((draft) => draft.remove('/spec/a/b/c'), original)).toEqual([
    { op: 'remove', path: '/spec/a/b/c' },
  ])
  const emptied = (draft: Draft) => {
    draft.remove('/spec/a/b/c')
    draft.removeIfEmpty('/spec/a/b')
    draft.removeIfEmpty('/spec/a')
    draft.removeIfEmpty('/spec')
  }
  expect(edited(emptied, original)).toEqual([{ op: 'remove', path: '/spec/a' }])
})

test('missing and non-empty values are not removed', () => {
  const patch = edited((draft) => {
    draft.remove('/spec/missing')
    draft.remove('/spec/missing/too')
    draft.remove('/spec/constructor')
    draft.remove('/spec/list/0')
    draft.remove('')
    draft.removeIfEmpty('/spec/list')
    draft.removeIfEmpty('/metadata')
  })
  expect(patch).toEqual([])
})

test('an existing list is appended to, so that other items stay', () => {
  const patch = edited((draft) => {
    draft.append('/spec/list', { name: 'third' })
    draft.append('/spec/list', { name: 'fourth' })
  })
  expect(patch).toEqual([
    { op: 'add', path: '/spec/list/-', value: { name: 'third' } },
    { op: 'add', path: '/spec/list/-', value: { name: 'fourth' } },
  ])
})

test('a list that does not is made', () => {
  const patch = edited((draft) => {
    draft.append('/spec/gates', { type: 'a' })
    draft.append('/spec/gates', { type: 'b' })
  })
  expect(patch).toEqual([{ op: 'add', path: '/spec/gates', value: [{ type: 'a' }, { type: 'b' }] }])
})

test('an object that is emptied and filled again is patched field by field', () => {
  const original = { ...base, spec: { limits: { a: '1', b: '1' } } }
  const patch = edited((draft) => {
    draft.remove('/spec/limits/a')
    draft.remove('/spec/limits/b')
    draft.removeIfEmpty('/spec/limits')
    draft.removeIfEmpty('/spec')
    draft.set('/spec/limits/b', '2')
    draft.set('/spec/limits/c', '3')
  }, original)
  expect(patch).toEqual([
    { op: 'remove', path: '/spec/limits/a' },
    { op: 'replace', path: '/spec/limits/b', value: '2' },
    { op: 'add', path: '/spec/limits/c', value: '3' },
  ])
})

test('only own fields are read, not inherited ones', () => {
  const draft = new Draft(base)
  expect(draft.get('/spec/list/1/name')).toBe('second')
  expect(draft.get('/spec/list/2/name')).toBeUndefined()
  expect(draft.get('/spec/list/name')).toBeUndefined()
  expect(draft.get('/spec/constructor')).toBeUndefined()
  expect(draft.get('/spec/list/1/name/0')).toBeUndefined()
})

test('a path through __proto__ changes no prototype that others share', () => {
  const draft = new Draft(base)
  draft.set('/spec/__proto__/polluted', 'yes' satisfies Json)
  draft.set('/__proto__/polluted', 'yes')
  expect(({} as { polluted?: string }).polluted).toBeUndefined()
})

describe('elements of a list', () => {
  const path = '/spec/list/2'
  const element = { name: 'third' }

  test('an element is appended, and filled', () => {
    const patch = edited((draft) => {
      expect(draft.setElement(path, { ...element })).toEqual([])
      draft.set(`${path}/size`, 1)
    })
    expect(patch).toEqual([{ op: 'add', path, value: { ...element, size: 1 } }])
  })

  test('its list, and what holds that, are made where they are missing or null', () => {
    const made: string[][] = []
    const edit = (draft: Draft) => {
      made.push(draft.setElement('/spec/pod/containers/0', { ...element }))
      made.push(draft.setElement('/spec/nothing/0', { ...element }))
    }
    expect(edited(edit)).toEqual([
      { op: 'add', path: '/spec/pod', value: { containers: [element] } },
      { op: 'add', path: '/spec/nothing', value: [element] },
    ])
    expect(made).toEqual([['/spec/pod', '/spec/pod/containers'], ['/spec/nothing']])
  })

  test('an element is removed, with earlier changes in it, and later elements move up', () => {
    const patch = edited((draft) => {
      draft.set('/spec/list/0/size', 1)
      draft.set('/spec/list/1/value', 'y')
      draft.removeElement('/spec/list/0')
    })
    expect(patch).toEqual([{ op: 'replace', path: '/spec/list', value: [{ name: 'second', value: 'y' }] }])
  })

  test('an empty list goes, one with elements stays; what comes back as it was is no change', () => {
    const one: KubeObject = { ...base, spec: { list: [element] } }
    expect(
      edited((draft) => {
        draft.removeElement('/spec/list/0')
        draft.removeIfEmpty('/spec/list')
      }, one),
    ).toEqual([{ op: 'remove', path: '/spec/list' }])
    expect(edited((draft) => draft.removeIfEmpty('/spec/list'), one)).toEqual([])
    expect(
      edited((draft) => {
        draft.removeElement('/spec/list/0')
        draft.removeIfEmpty('/spec/list')
        draft.setElement('/spec/list/0', { ...element })
      }, one),
    ).toEqual([])
  })
})
