import { parseDurationMs } from '../../values/duration.ts'
import { stringAt } from '../../values/object.ts'
import { check, type Finding, failed, nameOf, ok, orOk, warning } from './check.ts'
import { kserveConfigOf, policiesOf } from './facts.ts'

/** Knative's settings that end a hold, or that KServe needs for volumes of `storageUris`. */
export const knative = check(
  'Knative',
  ['kserveConfigs', 'knativeConfigs', 'policies'],
  ({ kserveConfigs, knativeConfigs, policies }, snapshot) => {
    const { config } = kserveConfigOf(kserveConfigs, snapshot.kserveNamespace)
    const isDefault = !['Standard', 'RawDeployment'].includes(config.deploymentMode)
    if (!snapshot.served.has('serving.knative.dev/v1/services'))
      return isDefault && kserveConfigs.length > 0
        ? failed(
            'KServe runs services in Knative mode by default, and Knative is not installed',
            'install Knative, or set deploy.defaultDeploymentMode to Standard in inferenceservice-config',
          )
        : ok('not installed, and not needed')
    const deployment = knativeConfigs.find((each) => nameOf(each) === 'config-deployment')
    const deadline = parseDurationMs(stringAt(deployment, 'data', 'progress-deadline') ?? '') ?? 600_000
    const short = policiesOf(policies).filter(
      ({ spec }) => (parseDurationMs(spec.warmup.timeout) ?? 0) > deadline,
    )
    const findings = short.map(
      ({ name, spec }): Finding =>
        warning(
          `holds of policy ${name} last ${spec.warmup.timeout}, and Knative gives a revision up after ${deadline / 1_000}s`,
          'set serving.knative.dev/progress-deadline on long-loading services, or progress-deadline in config-deployment',
        ),
    )
    return orOk(findings, `a revision may take ${deadline / 1_000}s`)
  },
)
