import type { IncomingMessage } from 'node:http'
import type { Clock } from '../values/clock.ts'
import type { Json } from '../values/object.ts'
import { Refusal } from './errors.ts'
import { JsonWeight } from './weight.ts'

const MiB = 2 ** 20
// A review carries the old and the new object, each of up to 3 MiB, and a little more.
const mostBytes = 7 * MiB
// Objects of Kubernetes are nested some 30 deep; every recursive function after the parser recurses this deep.
const mostDepth = 512
// Two objects of 1.5 MiB, which is what etcd takes, as dense as manifests are.
const mostCost = 64 * MiB
// Larger reviews are handled one at a time. A service of 20 KiB costs half a MiB.
const largeCost = 4 * MiB
const largeWaitMs = 2_000
// Room for one review of maximum size and hundreds of usual ones.
const budgetBytes = 96 * MiB
// Connections that have not sent a review yet may take this share, so that there is room for those that have.
const untrustedShare = 0.5

/** The memory that reviews may take, while they arrive and while they are handled. */
export class ReviewBudget {
  readonly #limit: number
  readonly #queue: (() => void)[] = []
  #taken = 0
  #isLargeBusy = false

  constructor(limit = budgetBytes) {
    this.#limit = limit
  }

  /** False if there is no room. Only bytes that arrived count: an announced length costs nothing. */
  take(bytes: number, share = 1): boolean {
    if (this.#taken + bytes > this.#limit * share) return false
    this.#taken += bytes
    return true
  }

  give(bytes: number): void {
    this.#taken -= bytes
  }

  /** Waits until no other large review is handled. False if that takes too long. */
  async enterLarge(clock: Clock): Promise<boolean> {
    if (!this.#isLargeBusy) {
      this.#isLargeBusy = true
      return true
    }
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const enter = () => resolve(true)
    this.#queue.push(enter)
    const cancel = clock.setTimer(() => {
      const place = this.#queue.indexOf(enter)
      if (place >= 0) this.#queue.splice(place, 1)
      if (place >= 0) resolve(false)
    }, largeWaitMs)
    return await promise.finally(cancel)
  }

  leaveLarge(): void {
    const next = this.#queue.shift()
    if (next === undefined) this.#isLargeBusy = false
    else next()
  }
}

export interface BodyOptions {
  budget: ReviewBudget
  clock: Clock
  /** Whether the connection has sent a review before. */
  isTrusted: boolean
}

/**
 * The JSON in a request's body. Rejects with a Refusal: not JSON, too large, or no room for it. Call `release`
 * once the body is no longer needed.
 */
export async function readJson(
  request: IncomingMessage,
  options: BodyOptions,
): Promise<{ body: Json; release: () => void }> {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = request.headers
  if (!/^application\/json\s*(;|$)/i.test(type))
    throw new Refusal('UnsupportedMediaType', 'a review is application/json')
  if (encoding !== 'identity') throw new Refusal('UnsupportedMediaType', 'a review is not compressed')
  if (Number(request.headers['content-length']) > mostBytes) throw tooLarge()
  const { bytes, cost } = await readBytes(request, options)
  const { budget } = options
  try {
    const leave = await enter(cost, options)
    try {
      const body = JSON.parse(bytes.toString()) as Json
      const release = () => {
        leave()
        budget.give(bytes.length)
      }
      return { body, release }
    } catch {
      leave()
      throw new Refusal('BadRequest', 'the body is not JSON')
    }
  } catch (error) {
    budget.give(bytes.length)
    throw error
  }
}

/** Reserves the memory for parsing a body; a large one waits for its turn. Resolves with the release function. */
async function enter(cost: number, { budget, clock }: BodyOptions): Promise<() => void> {
  const isLarge = cost > largeCost
  if (isLarge && !(await budget.enterLarge(clock))) throw busy()
  if (!budget.take(cost)) {
    if (isLarge) budget.leaveLarge()
    throw busy()
  }
  return () => {
    budget.give(cost)
    if (isLarge) budget.leaveLarge()
  }
}

function readBytes(
  request: IncomingMessage,
  { budget, isTrusted }: BodyOptions,
): Promise<{ bytes: Buffer; cost: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ bytes: Buffer; cost: number }>()
  const weight = new JsonWeight()
  const chunks: Buffer[] = []
  let length = 0
  const fail = (refusal: Refusal) => {
    // Node reads and drops the rest, so that the client sees the response.
    request.off('data', collect)
    chunks.length = 0
    budget.give(length)
    length = 0
    reject(refusal)
  }
  const collect = (chunk: Buffer) => {
    if (length + chunk.length > mostBytes) return fail(tooLarge())
    if (!budget.take(chunk.length, isTrusted ? 1 : untrustedShare)) return fail(busy())
    length += chunk.length
    chunks.push(chunk)
    weight.push(chunk)
    // Stop at the first chunk beyond the limit: the rest is not kept.
    if (weight.cost > mostCost) return fail(tooDense())
    if (weight.depth > mostDepth) return fail(tooDeep())
  }
  request.on('data', collect)
  request.once('end', () => {
    const [first] = chunks
    // Most bodies arrive in one piece.
    const bytes = first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks)
    resolve({ bytes, cost: weight.cost })
    // From here on the caller releases it.
    length = 0
  })
  request.once('error', () => fail(new Refusal('BadRequest', 'the request ended early')))
  return promise
}

function tooLarge(): Refusal {
  return new Refusal('RequestEntityTooLarge', `a review has ${mostBytes} bytes at most`)
}

function tooDense(): Refusal {
  return new Refusal('RequestEntityTooLarge', 'the body has too many fields and elements for one review')
}

function tooDeep(): Refusal {
  return new Refusal('BadRequest', `a review is nested ${mostDepth} deep at most`)
}

function busy(): Refusal {
  return new Refusal('TooManyRequests', 'too many reviews at once; try again')
}
