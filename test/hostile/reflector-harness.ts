import { expect } from 'vitest'
import { createClient } from '../../src/kube/http.ts'
import { Reflector, type ReflectorOptions } from '../../src/kube/reflector.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { FakeClock } from '../../src/values/clock.fake.ts'
import type { KubeObject } from '../../src/values/object.ts'
import { dataset, makeDataset, until } from './fixtures.ts'
import { HostileServer } from './server.ts'

/** How long a watch may be silent. */
export const stallMs = 150_000

/** A reflector that follows a hostile server, through the real client and on a clock that does not move. */
export class ReflectorHarness {
  readonly server: HostileServer
  readonly clock = new FakeClock()
  readonly client: ReturnType<typeof createClient>
  readonly logged: object[] = []
  /** Every reported change, e.g. `added a`. */
  readonly told: string[] = []
  reflector: Reflector

  private constructor(server: HostileServer) {
    this.server = server
    this.client = createClient(server.config(), { clock: this.clock })
    this.reflector = this.reflect()
  }

  static async start(): Promise<ReflectorHarness> {
    return new ReflectorHarness(await HostileServer.start())
  }

  /** With `random` at its most, delays are as long as they get: 800 ms, 1.6 s and so on. */
  reflect(more: Partial<ReflectorOptions> = {}): Reflector {
    const { client, clock } = this
    const logger = createLogger('warn', { write: (line) => this.logged.push(JSON.parse(line)) })
    this.reflector = new Reflector({ client, resource: dataset, clock, logger, random: () => 1, ...more })
    this.reflector.onChange(({ type, object }) => this.told.push(`${type} ${object.metadata.name}`))
    return this.reflector
  }

  async stop(): Promise<void> {
    await this.reflector.stop()
    await this.client.close()
    await this.server.stop()
  }

  async startWith(...names: string[]): Promise<void> {
    for (const name of names) this.server.put(makeDataset(name))
    this.reflector.start()
    await this.reflector.synced
    await this.untilWatching()
  }

  /** The end that every test is after: the copy is what the server has. */
  async untilInSync(): Promise<void> {
    const { reflector, server } = this
    await until(() => expect(versions(reflector.list())).toEqual(versions(server.objects())))
  }

  async untilWatching(): Promise<void> {
    await until(() => {
      expect(this.server.watches).toBe(1)
      expect(this.clock.nextInMs).toBe(stallMs)
    })
  }

  /** Waits until the next thing to happen is due in just this time, and lets it pass. */
  async passDelay(ms: number): Promise<void> {
    await until(() => expect(this.clock.nextInMs).toBe(ms))
    await this.clock.advance(ms)
  }
}

/** Each object's name and version, in order. */
export function versions(objects: KubeObject[]): string[] {
  return objects.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).toSorted()
}
