import { readOriginal } from '../../plan/service/original.ts'
import { check, failed, ok, unknown, warning } from './check.ts'

/** The response to a service that is created as a dry run must have Warmgate's warning. */
export const admission = check('admission', [], (_, { probe }) => {
  if (probe.kind === 'none') return unknown(probe.why, probe.todo)
  const said = probe.warnings.filter((text) => text.startsWith('warmgate: '))
  const where = `in ${probe.namespace}`
  if (said.length === 0 && probe.kind === 'refused')
    return unknown(
      `a service ${where} was refused: ${probe.why}`,
      'name a namespace in which you may create one: -n NAMESPACE',
    )
  if (said.length === 0)
    return failed(
      `a service that was created ${where} (dry run) did not reach Warmgate`,
      'see order, Service and certificates above, and "failed calling webhook" in the log of the API server',
    )
  const problem = said.find((text) => /^warmgate: WG[0-9]+: /.test(text))
  if (problem !== undefined) return warning(`${where}: ${problem}`, 'see the log of Warmgate')
  const isRewritten = probe.kind === 'answered' && readOriginal(probe.service) !== undefined
  return ok(`a service ${where} (dry run) reached Warmgate${isRewritten ? ' and was accelerated' : ''}`)
})
