import { type RuntimeName, runtimes as registry, runtimeNames } from '../../fluid/runtimes.ts'
import { check, failed, orOk } from './check.ts'
import { deploymentNamed, policiesOf, versionOf } from './facts.ts'

/** A runtime's controller may have no pod, because Fluid starts it with the first Dataset of its kind. */
export const runtimes = check(
  'runtimes',
  ['deployments', 'policies'],
  ({ deployments, policies }, snapshot) => {
    const installed = runtimeNames.filter((name) =>
      snapshot.served.has(`data.fluid.io/v1alpha1/${registry[name].plural}`),
    )
    const controllers = new Map(
      installed.map((name) => [name, deploymentNamed(deployments, controllerOf(name))]),
    )
    const running = installed.filter((name) => controllers.get(name) !== undefined)
    if (running.length === 0)
      return failed('no runtime has a controller', 'install Fluid with one, e.g. runtime.jindo.enabled=true')
    const named = policiesOf(policies).flatMap(({ name, spec }) =>
      spec.sources.map((source) => ({ policy: name, runtime: source.runtime })),
    )
    const missing = named.map(({ policy, runtime }) =>
      runtime === 'Auto' || running.includes(runtime)
        ? undefined
        : failed(
            `policy ${policy} names ${runtime}, which is not installed`,
            `install Fluid's ${controllerOf(runtime)}`,
          ),
    )
    const found = running.map((name) => `${name} ${versionOf(controllers.get(name)) ?? '(unknown version)'}`)
    return orOk(missing, found.join(', '))
  },
)

function controllerOf(name: RuntimeName): string {
  return `${registry[name].kind.toLowerCase()}-controller`
}
