import { type Check, failed, ok, some } from './check.ts'

/** Whether Warmgate's account has the rights that it needs. */
export const rights: Check = {
  name: 'rights',
  run: ({ rights: read }) => {
    if (read.kind === 'unread')
      return [
        {
          status: 'unknown',
          message: read.why,
          todo: 'run it as a user who may create SubjectAccessReviews',
        },
      ]
    if (read.denied.length === 0) return [ok(`${read.account} may do all that it needs`)]
    return [
      failed(
        `${read.account} may not ${some(read.denied, 5)}`,
        'apply manifests/base/rbac.yaml of the same version as the image',
      ),
    ]
  },
}
