import { getIn, type KubeObject, listAt, objectAt, stringAt } from '../../values/object.ts'
import { check, counted, failed, nameOf, ok } from './check.ts'

/** Whether the API server can reach a Ready replica through the webhook's Service. */
export const service = check(
  'Service',
  ['webhooks', 'services', 'endpointSlices'],
  ({ webhooks, services, endpointSlices }, snapshot) => {
    const own = webhooks.find((each) => nameOf(each) === snapshot.configuration)
    const client = objectAt(listAt(own, 'webhooks')[0], 'clientConfig')
    const url = stringAt(client, 'url')
    if (own === undefined) return failed('no webhook names a Service', 'install Warmgate')
    if (url !== undefined) return ok(`the webhook is called by its URL, ${url}`)
    const { name = '', namespace = '', port = 443 } = objectAt(client, 'service')
    const label = `Service ${String(namespace)}/${String(name)}`
    const found = services.find(({ metadata }) => metadata.name === name && metadata.namespace === namespace)
    if (found === undefined) return failed(`there is no ${label}`, 'apply install.yaml again')
    const ports = listAt(found, 'spec', 'ports').map((each) => getIn(each, 'port'))
    if (!ports.includes(port))
      return failed(
        `${label} has no port ${String(port)}`,
        `give it the port, or change clientConfig.service.port`,
      )
    const ready = readyEndpoints(endpointSlices, String(name))
    if (ready === 0)
      return failed(
        `${label} has no ready endpoint: services are admitted without Warmgate`,
        `kubectl get pods -n ${String(namespace)}; /readyz of each says what it waits for`,
      )
    return ok(`${label}:${String(port)} has ${counted(ready, 'ready endpoint')}`)
  },
)

function readyEndpoints(slices: KubeObject[], service: string): number {
  const endpoints = slices
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === service)
    .flatMap((slice) => listAt(slice, 'endpoints'))
  return endpoints.filter((endpoint) => getIn(endpoint, 'conditions', 'ready') !== false).length
}
