import type { LabelSelector } from '../policy/schema.ts'

type Requirement = NonNullable<LabelSelector['matchExpressions']>[number]

const key = '[A-Za-z0-9][-A-Za-z0-9_./]{0,316}'
const term = new RegExp(`^(?:(!)?(${key})|(${key}) *(==?|!=) *([-A-Za-z0-9_.]{0,63}))$`)
const inList = new RegExp(`^(${key}) +(in|notin) +\\(([-A-Za-z0-9_., ]{0,2000})\\)$`)

/**
 * A label selector as kubectl reads it: `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b,c)`, separated by
 * commas. Undefined if the text is not one.
 */
export function parseSelector(text: string): LabelSelector | undefined {
  const terms = splitTerms(text).map(requirement)
  const matchExpressions = terms.filter((each) => each !== undefined)
  return matchExpressions.length === terms.length ? { matchExpressions } : undefined
}

/** Commas inside parentheses separate values. */
function splitTerms(text: string): string[] {
  return text.split(/,(?![^()]*\))/).map((each) => each.trim())
}

function requirement(text: string): Requirement | undefined {
  const [, name, operator, values] = inList.exec(text) ?? []
  if (name !== undefined && values !== undefined) {
    const list = values.split(',').map((value) => value.trim())
    return { key: name, operator: operator === 'in' ? 'In' : 'NotIn', values: list }
  }
  const [, not, alone, compared = '', sign, value = ''] = term.exec(text) ?? []
  if (alone !== undefined) return { key: alone, operator: not === undefined ? 'Exists' : 'DoesNotExist' }
  return sign === undefined
    ? undefined
    : { key: compared, operator: sign === '!=' ? 'NotIn' : 'In', values: [value] }
}
