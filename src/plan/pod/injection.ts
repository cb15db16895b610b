import type { KubeObject } from '../../values/object.ts'

/** Whether a pod's user wants no change of it by Fluid's webhook. Source: fluid v1.0.8 pkg/webhook/handler/mutating. */
export function refusesInjection({ metadata: { labels = {} } }: KubeObject): boolean {
  return labels['fluid.io/enable-injection'] === 'false'
}
