/**
 * A function that remembers its last result, and returns it as long as its arguments are the same values and objects.
 * For objects that never change.
 */
export function rememberLast<Arguments extends unknown[], Result>(
  compute: (...given: Arguments) => Result,
): (...given: Arguments) => Result {
  let last: { given: Arguments; result: Result } | undefined
  return (...given) => {
    const isSame = last?.given.every((value, index) => value === given[index]) === true
    if (last === undefined || !isSame) last = { given, result: compute(...given) }
    return last.result
  }
}
