import { type Check, failed, ok, withLists } from './check.ts'
import { deploymentNamed, isReady, versionOf } from './facts.ts'

export const fluid: Check = {
  name: 'Fluid',
  run: (snapshot) => {
    if (!snapshot.served.has('data.fluid.io/v1alpha1/datasets'))
      return failed('it is not installed: no Datasets are served', 'install Fluid')
    return withLists(snapshot, ['deployments'], ({ deployments }) => {
      const controller = deploymentNamed(deployments, 'dataset-controller')
      if (controller === undefined)
        return failed(
          'no Deployment dataset-controller exists: Datasets are never Bound',
          "install Fluid's controllers",
        )
      const where = `${versionOf(controller) ?? 'of unknown version'} in ${controller.metadata.namespace ?? ''}`
      if (isReady(controller)) return ok(where)
      return failed(
        `${where}: no pod of dataset-controller is Ready`,
        `kubectl describe deployment dataset-controller -n ${controller.metadata.namespace ?? ''}`,
      )
    })
  },
}
