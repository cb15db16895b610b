import { parse } from 'yaml'
import { crdText } from '../../policy/crd.ts'
import {
  getIn,
  isObject,
  type Json,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../values/object.ts'
import { check, type Finding, failed, nameOf, orOk, some, warning } from './check.ts'

/** The versions that Warmgate reads and writes. */
const needed: { [crd: string]: { versions: readonly string[]; from: string } } = {
  'accelerationpolicies.warmgate.dev': { versions: ['v1alpha1'], from: "Warmgate's install.yaml" },
  'inferenceservices.serving.kserve.io': { versions: ['v1beta1'], from: 'KServe' },
  'datasets.data.fluid.io': { versions: ['v1alpha1'], from: 'Fluid' },
  'dataloads.data.fluid.io': { versions: ['v1alpha1'], from: 'Fluid' },
}

export const crds = check('CRDs', ['crds'], ({ crds: found }) => {
  const byName = new Map(found.map((crd) => [nameOf(crd), crd]))
  const findings = Object.entries(needed).map(([name, { versions, from }]) => {
    const crd = byName.get(name)
    const served = servedVersions(crd)
    if (crd === undefined) return failed(`${name} does not exist`, `install ${from}`)
    if (!versions.some((version) => served.includes(version)))
      return failed(`${name} serves ${some(served)}, and not ${versions.join(' or ')}`, `upgrade ${from}`)
    return undefined
  })
  return orOk(
    [...findings, outdated(byName.get('accelerationpolicies.warmgate.dev'))],
    'all versions are served',
  )
})

/** If only the image is upgraded, the API server drops new fields, because the CRD is old. */
function outdated(crd: KubeObject | undefined): Finding | undefined {
  if (crd === undefined) return undefined
  const stored = new Set(fieldsOf(schemaOf(crd)))
  const missing = fieldsOf(schemaOf(parse(crdText()) as KubeObject)).filter((field) => !stored.has(field))
  if (missing.length === 0) return undefined
  return warning(
    `the AccelerationPolicy of the cluster is of another version: it has no ${some(missing)}`,
    'apply the CRD of this version: kubectl apply --server-side -f manifests/base/crd.yaml',
  )
}

function servedVersions(crd: KubeObject | undefined): string[] {
  return listAt(crd, 'spec', 'versions').flatMap((version) =>
    getIn(version, 'served') === true ? [stringAt(version, 'name') ?? ''] : [],
  )
}

function schemaOf(crd: KubeObject): Json | undefined {
  return getIn(listAt(crd, 'spec', 'versions')[0], 'schema', 'openAPIV3Schema', 'properties', 'spec')
}

/** The paths of all fields of a schema. */
function fieldsOf(schema: Json | undefined, path = 'spec'): string[] {
  const items = getIn(schema, 'items')
  if (isObject(items)) return fieldsOf(items, `${path}[]`)
  return Object.entries(objectAt(schema, 'properties')).flatMap(([name, field]) => [
    `${path}.${name}`,
    ...fieldsOf(field, `${path}.${name}`),
  ])
}
