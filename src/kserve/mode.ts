import { type KubeObject, stringAt } from '../values/object.ts'
import type { KserveConfig } from './config.ts'

export type DeploymentMode = 'Standard' | 'Knative' | 'ModelMesh'

const names: { [name: string]: DeploymentMode } = {
  Standard: 'Standard',
  RawDeployment: 'Standard',
  Knative: 'Knative',
  Serverless: 'Knative',
  ModelMesh: 'ModelMesh',
}

/**
 * How KServe deploys a service: the mode in its status (which never changes), else a valid mode in its
 * annotation, else the cluster's default. Source: kserve pkg/controller/v1beta1/inferenceservice/utils.
 */
export function deploymentMode(service: KubeObject, config: KserveConfig): DeploymentMode {
  const modes = [
    stringAt(service, 'status', 'deploymentMode'),
    service.metadata.annotations?.['serving.kserve.io/deploymentMode'],
    config.deploymentMode,
  ]
  const known = modes.flatMap((name) => (name !== undefined && Object.hasOwn(names, name) ? names[name] : []))
  return known[0] ?? 'Knative'
}
