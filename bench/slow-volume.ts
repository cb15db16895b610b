import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

const chunk = Buffer.alloc(2 ** 16)

export interface SlowVolumeOptions {
  modelBytes: number
  /** How fast it is read now. */
  bytesPerSecond: () => number
}

/** A folder with a model that is read at a given speed: a named pipe that is filled at that speed. */
export class SlowVolume {
  readonly folder: string
  readonly #options: SlowVolumeOptions
  #isOpen = true
  #feeding: Promise<void> | undefined
  /** Whether a process reads it. */
  isRead = false
  /** By all readers together. */
  readBytes = 0

  constructor(folder: string, options: SlowVolumeOptions) {
    this.folder = folder
    this.#options = options
  }

  async start(): Promise<void> {
    await mkdir(this.folder)
    await promisify(execFile)('mkfifo', [this.#file])
    this.#feeding = this.#feed()
  }

  async stop(): Promise<void> {
    this.#isOpen = false
    // Opening it as a reader ends the writer's wait.
    const handle = await open(this.#file, constants.O_RDONLY | constants.O_NONBLOCK)
    await handle.close()
    await this.#feeding
  }

  get #file(): string {
    return join(this.folder, 'model.bin')
  }

  async #feed(): Promise<void> {
    while (this.#isOpen) {
      const handle = await open(this.#file, 'w')
      this.isRead = true
      try {
        await this.#fill((bytes) => handle.write(bytes))
      } catch {
        // The reader was killed.
      }
      this.isRead = false
      await handle.close()
    }
  }

  async #fill(write: (bytes: Buffer) => Promise<unknown>): Promise<void> {
    const { modelBytes, bytesPerSecond } = this.#options
    let dueMs = Date.now()
    for (let leftBytes = modelBytes; leftBytes > 0 && this.#isOpen; leftBytes -= chunk.length) {
      await write(chunk)
      this.readBytes += chunk.length
      dueMs = Math.max(dueMs + (chunk.length / bytesPerSecond()) * 1_000, Date.now() - 100)
      const leftMs = dueMs - Date.now()
      if (leftMs > 5) await pause(leftMs)
    }
  }
}
