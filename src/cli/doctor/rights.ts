import { check, failed, ok, some, unknown } from './check.ts'

/** Whether Warmgate's account has the rights that it needs. */
export const rights = check('rights', [], (_, { rights: read }) => {
  if (read.kind === 'unread') return unknown(read.why, 'run it as a user who may create SubjectAccessReviews')
  if (read.denied.length === 0) return ok(`${read.account} may do all that it needs`)
  return failed(
    `${read.account} may not ${some(read.denied, 5)}`,
    'apply manifests/base/rbac.yaml of the same version as the image',
  )
})
