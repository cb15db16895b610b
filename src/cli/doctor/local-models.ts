import { localModelFact, localModelOf } from '../../kserve/local-model.ts'
import { findModelLocations } from '../../kserve/location.ts'
import { restored } from '../../plan/service/original.ts'
import { check, fullName, ok, some, warning } from './check.ts'
import { kserveConfigOf } from './facts.ts'

/** Models that KServe copies to nodes itself: Warmgate leaves their services alone. */
export const localModels = check(
  'LocalModels',
  ['localModels', 'models', 'kserveConfigs'],
  (found, snapshot) => {
    const { config } = kserveConfigOf(found.kserveConfigs, snapshot.kserveNamespace)
    if (found.localModels.length === 0) return ok('no LocalModelCache exists')
    const models = found.localModels.map(localModelFact)
    const overlapping = found.models.filter((service) => {
      const { locations } = findModelLocations(restored(service))
      const { annotations = {} } = service.metadata
      return localModelOf({ annotations, locations }, { models, config }) !== undefined
    })
    if (overlapping.length === 0) return ok('no service reads from a LocalModelCache')
    return warning(
      `KServe serves ${some(overlapping.map(fullName))} from LocalModelCaches, and Warmgate does not`,
      'nothing, or delete the LocalModelCache to use Warmgate instead',
    )
  },
)
