import type { LabelSelector } from './schema.ts'

export type Labels = { [key: string]: string }

/** Whether labels satisfy a Kubernetes label selector; the empty selector matches everything. */
export function matchesSelector(selector: LabelSelector, labels: Labels): boolean {
  const required = Object.entries(selector.matchLabels ?? {})
  return (
    required.every(([key, value]) => labels[key] === value) &&
    (selector.matchExpressions ?? []).every((requirement) => matchesRequirement(requirement, labels))
  )
}

type Requirement = NonNullable<LabelSelector['matchExpressions']>[number]

function matchesRequirement({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
  }
}
