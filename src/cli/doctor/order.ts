import { type Json, type KubeObject, listAt, stringAt } from '../../values/object.ts'
import { check, failed, nameOf, ok, some, warning } from './check.ts'

/** The API server calls mutating webhooks in the order of their configurations' names. */
export const order = check('order', ['webhooks'], ({ webhooks }, snapshot) => {
  const { configuration } = snapshot
  const own = webhooks.find((each) => nameOf(each) === configuration)
  if (own === undefined)
    return failed(
      `there is no MutatingWebhookConfiguration ${configuration}: nothing is accelerated`,
      'install Warmgate, or name the configuration with --webhook-configuration',
    )
  const before = webhooks.filter((each) => nameOf(each) < configuration && sees(each)).map(nameOf)
  const kserves = before.filter((name) => name.endsWith('.serving.kserve.io'))
  if (kserves.length > 0)
    return failed(
      `${some(kserves)} is called before ${configuration}, and sees services before their rewrite`,
      "give Warmgate's configuration a name that sorts before it, e.g. acceleration.warmgate.dev",
    )
  if (before.length > 0)
    return warning(
      `${some(before)} changes services before Warmgate sees them`,
      'give it a later name, unless Warmgate is to see its changes',
    )
  if (listAt(own, 'webhooks').some((webhook) => stringAt(webhook, 'failurePolicy') === 'Fail'))
    return warning(
      `${configuration} has failurePolicy Fail: without Warmgate no service can be created`,
      'set it to Ignore: services then start without a cache',
    )
  return ok(`${configuration} is called before KServe's webhooks`)
})

function sees(configuration: KubeObject): boolean {
  return listAt(configuration, 'webhooks').some((webhook) => listAt(webhook, 'rules').some(isForServices))
}

function isForServices(rule: Json): boolean {
  const has = (field: string, value: string) =>
    listAt(rule, field).some((each) => each === value || each === '*')
  return has('apiGroups', 'serving.kserve.io') && has('resources', 'inferenceservices')
}
