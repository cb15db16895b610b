import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'

const blockBytes = 2 ** 22

/**
 * Writes a file in the format of safetensors, with tensors of one size under names such as a transformer's, and gives
 * its digest (sha256). Its content is random, so that nothing on the way makes it smaller.
 */
export async function writeSafetensors(file: string, { bytes, tensors }: { bytes: number; tensors: number }) {
  const each = Math.floor(bytes / tensors / 8) * 8
  const header = Object.fromEntries(
    Array.from({ length: tensors }, (_, index) => [
      `transformer.h.${index}.weight`,
      { dtype: 'F16', shape: [each / 2], data_offsets: [index * each, (index + 1) * each] },
    ]),
  )
  const text = JSON.stringify(header)
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const hash = createHash('sha256')
  const stream = createWriteStream(file)
  const write = async (bytes: Buffer) => {
    hash.update(bytes)
    if (!stream.write(bytes)) await once(stream, 'drain')
  }
  await write(Buffer.concat([length, json]))
  for (let left = each * tensors; left > 0; left -= blockBytes)
    await write(randomBytes(Math.min(left, blockBytes)))
  stream.end()
  await once(stream, 'close')
  return hash.digest('hex')
}
