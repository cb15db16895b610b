import type { IncomingMessage } from 'node:http'
import type { Json } from '../values/object.ts'
import { Refusal } from './errors.ts'

// A review carries an object and the one before it, each of up to 3 MiB, and a little around them.
const bodyLimit = 7 * 2 ** 20

/** The bytes of all reviews in memory: a flood is turned away before it takes the process with it. */
export class ByteBudget {
  readonly #limit: number
  #taken = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** False where there is no room. Only what has arrived counts: an announced length costs nothing. */
  take(bytes: number): boolean {
    if (this.#taken + bytes > this.#limit) return false
    this.#taken += bytes
    return true
  }

  give(bytes: number): void {
    this.#taken -= bytes
  }
}

/**
 * The JSON in a request's body. Rejects with a Refusal: not JSON, too large, or no room for it. `release` is to
 * be called once the body is not needed any more.
 */
export async function readJson(
  request: IncomingMessage,
  budget: ByteBudget,
): Promise<{ body: Json; release: () => void }> {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = request.headers
  if (!/^application\/json\s*(;|$)/i.test(type))
    throw new Refusal('UnsupportedMediaType', 'a review is application/json')
  if (encoding !== 'identity') throw new Refusal('UnsupportedMediaType', 'a review is not compressed')
  if (Number(request.headers['content-length']) > bodyLimit) throw tooLarge()
  const bytes = await readBytes(request, budget)
  try {
    return { body: JSON.parse(bytes.toString()), release: () => budget.give(bytes.length) }
  } catch {
    budget.give(bytes.length)
    throw new Refusal('BadRequest', 'the body is not JSON')
  }
}

function readBytes(request: IncomingMessage, budget: ByteBudget): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let length = 0
  const fail = (refusal: Refusal) => {
    // What is still to come is read and dropped by Node, so that the client gets to see the answer.
    request.off('data', collect)
    chunks.length = 0
    budget.give(length)
    length = 0
    reject(refusal)
  }
  const collect = (chunk: Buffer) => {
    if (length + chunk.length > bodyLimit) return fail(tooLarge())
    if (!budget.take(chunk.length)) return fail(busy())
    length += chunk.length
    chunks.push(chunk)
  }
  request.on('data', collect)
  request.once('end', () => {
    resolve(Buffer.concat(chunks))
    // The caller's to give back from here on.
    length = 0
  })
  request.once('error', () => fail(new Refusal('BadRequest', 'the request ended early')))
  return promise
}

function tooLarge(): Refusal {
  return new Refusal('RequestEntityTooLarge', `a review has ${bodyLimit} bytes at most`)
}

function busy(): Refusal {
  return new Refusal('TooManyRequests', 'too many reviews at once; try again')
}
