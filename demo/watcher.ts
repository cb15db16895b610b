import type { KubeClient } from '../src/kube/client.ts'
import { Reflector } from '../src/kube/reflector.ts'
import type { Resource } from '../src/kube/resources.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { systemClock } from '../src/values/clock.ts'
import type { KubeObject } from '../src/values/object.ts'

/** Watches a resource in one namespace, and waits until its objects meet a condition. */
export class Watcher {
  readonly #reflector: Reflector

  constructor(client: KubeClient, resource: Resource, namespace: string) {
    const logger = createLogger('silent')
    this.#reflector = new Reflector({ client, resource, select: { namespace }, clock: systemClock, logger })
    this.#reflector.start()
  }

  list(): KubeObject[] {
    return this.#reflector.list()
  }

  /** Resolves with the first result that is not undefined. Calls `find` now and after every change. */
  async until<T>(find: (objects: KubeObject[]) => T | undefined): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>()
    let isFound = false
    const look = () => {
      if (isFound) return
      const found = find(this.list())
      isFound = found !== undefined
      if (found !== undefined) resolve(found)
    }
    this.#reflector.onChange(look)
    look()
    return await promise
  }

  async stop(): Promise<void> {
    await this.#reflector.stop()
  }
}
