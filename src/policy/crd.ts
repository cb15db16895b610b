import { stringify } from 'yaml'
import { isObject, type Json, type JsonObject, type KubeObject } from '../values/object.ts'
import { type Rule, rules } from './rules.ts'
import { policySpecSchema, policyStatusSchema } from './schema.ts'

/**
 * The CustomResourceDefinition of AccelerationPolicy, generated from the schema. Written to
 * manifests/base/crd.yaml.
 */
function policyCrd(): KubeObject {
  const printed = (name: string, jsonPath: string, type = 'string') => ({ name, jsonPath, type })
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'accelerationpolicies.warmgate.dev' },
    spec: {
      group: 'warmgate.dev',
      names: {
        kind: 'AccelerationPolicy',
        listKind: 'AccelerationPolicyList',
        plural: 'accelerationpolicies',
        singular: 'accelerationpolicy',
      },
      scope: 'Cluster',
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          additionalPrinterColumns: [
            printed('Mode', '.spec.mode'),
            printed('Priority', '.spec.priority', 'integer'),
            printed('Services', '.status.services', 'integer'),
            printed('Accepted', '.status.conditions[?(@.type=="Accepted")].status'),
            printed('Age', '.metadata.creationTimestamp', 'date'),
          ],
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              description: "The platform team's rules: which services are accelerated, and how.",
              type: 'object',
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: { ...structural(policySpecSchema, ''), default: {} },
                status: structural(policyStatusSchema, undefined),
              },
            },
          },
        },
      ],
    },
  }
}

/**
 * Converts a JSON schema to a structural schema. Kubernetes needs a type beside an enum, additionalProperties
 * for a map and a set for unique items. It prunes unknown fields and does not allow `additionalProperties:
 * false`. Adds the CEL rules of `path`; the status has none.
 */
function structural(schema: object, path: string | undefined): JsonObject {
  const {
    required,
    properties,
    patternProperties,
    items,
    uniqueItems,
    additionalProperties: _,
    ...rest
  } = schema as JsonObject
  const result: JsonObject = { ...rest }
  if (result.enum !== undefined) result.type = 'string'
  if (uniqueItems === true) result['x-kubernetes-list-type'] = 'set'
  const here = rules.filter((rule) => rule.path === path)
  if (here.length > 0) result['x-kubernetes-validations'] = here.map(validation)
  const fields = isObject(properties) ? Object.entries(properties) : []
  if (fields.length > 0) {
    result.properties = Object.fromEntries(
      fields.map(([name, field]) => [name, structural(field as JsonObject, below(path, name))]),
    )
    // Kubernetes sets defaults before it validates: a field with a default is not required.
    const defaulted = new Set(
      fields.filter(([, field]) => isObject(field) && field.default !== undefined).map(([name]) => name),
    )
    const mandatory = (Array.isArray(required) ? required : []).filter(
      (name: Json) => !defaulted.has(String(name)),
    )
    if (mandatory.length > 0) result.required = mandatory
  }
  if (isObject(patternProperties))
    result.additionalProperties = structural(Object.values(patternProperties)[0] as JsonObject, undefined)
  if (isObject(items)) result.items = structural(items, path === undefined ? undefined : `${path}[]`)
  return result
}

function below(path: string | undefined, name: string): string | undefined {
  if (path === undefined) return undefined
  return path === '' ? name : `${path}.${name}`
}

function validation({ cel, message }: Rule): JsonObject {
  return { rule: cel, message }
}

// kubectl reads YAML 1.1, where a plain `Off` is a boolean.
const yamlOptions = { aliasDuplicateObjects: false, compat: 'yaml-1.1', lineWidth: 0 } as const

/** manifests/base/crd.yaml, as `npm run manifests` writes it. */
export function crdText(): string {
  return `# Generated from src/policy/schema.ts by \`npm run manifests\`.\n${stringify(policyCrd(), yamlOptions)}`
}
