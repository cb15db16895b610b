import { expect, test } from 'vitest'
import { retryOnConflict } from './conflict.ts'
import { KubeError } from './errors.ts'

/** Work that is refused with these statuses, one after the other. */
function refused(...statuses: number[]) {
  const left = [...statuses]
  let calls = 0
  const work = async () => {
    calls += 1
    const status = left.shift()
    if (status !== undefined) throw new KubeError('replace', { status, message: 'refused' })
    return 'done'
  }
  return { work, calls: () => calls }
}

test('a conflict is tried again, five times in all', async () => {
  const twice = refused(409, 409)
  expect(await retryOnConflict(twice.work)).toBe('done')
  expect(twice.calls()).toBe(3)
  const always = refused(...Array.from({ length: 9 }, () => 409))
  await expect(retryOnConflict(always.work)).rejects.toMatchObject({ status: 409 })
  expect(always.calls()).toBe(5)
})

test('any other refusal is final', async () => {
  const once = refused(403)
  await expect(retryOnConflict(once.work)).rejects.toMatchObject({ status: 403 })
  expect(once.calls()).toBe(1)
})
